package fleet

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// Pool is a number of worker processes that live what they are asked for, in which order and how often the caller likes. Run is
// for many seeds in a row; a Pool is for whoever decides by the last report what to live next. It must be closed.
type Pool struct {
	idle chan *place // holds the places that nobody works at
	size int
}

// NewPool returns a pool of that many workers, from 1 on. A worker starts when it is first needed, by a command that worker
// returns (not started; its process calls Serve, see Self). A life that takes longer than lifeTimeMax on the wall has hung; 0:
// ten minutes.
func NewPool(workers int, worker func() *exec.Cmd, lifeTimeMax time.Duration) *Pool {
	if lifeTimeMax == 0 {
		lifeTimeMax = lifeTimeMaxDefault
	}
	p := &Pool{idle: make(chan *place, workers), size: workers}
	for range workers {
		p.idle <- &place{worker: worker, lifeTimeMax: lifeTimeMax, processors: processors(workers)}
	}
	return p
}

// processors is the GOMAXPROCS of each worker: one goroutine simulates, and what else there is of the cores is for collecting
// garbage. 0 if the environment says it.
func processors(workers int) int {
	if os.Getenv("GOMAXPROCS") != "" {
		return 0
	}
	return max(1, runtime.NumCPU()/workers)
}

// Workers returns how many lives can be under way at once.
func (p *Pool) Workers() int { return p.size }

// Live waits for a worker and has it live a life. A worker that does not survive it is replaced; its end is the life's failure.
// The error is that of ctx when it ends first, or says why no worker can work or why the life could not be kept. It may be called
// by several goroutines.
func (p *Pool) Live(ctx context.Context, l Life) (Report, error) {
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	select {
	case place := <-p.idle:
		defer func() { p.idle <- place }()
		return place.live(ctx, l)
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
}

// Keep lives a life once more to keep it, and returns the failure if it takes another course than before.
func (p *Pool) Keep(ctx context.Context, l Life, before Report) (*Failure, error) {
	r, err := p.Live(ctx, l)
	if err != nil {
		return nil, err
	}
	if r.Failure != nil && r.Failure.Detail != "" {
		err = writeStack(l.Keep, r.Failure)
	}
	if parted := compare(before, r); parted != nil {
		return parted, err
	}
	if r.Way() != before.Way() {
		return r.Failure, err
	}
	return nil, err
}

// Stream has all lives lived, several at once, and yields their reports in the order of the lives. It takes no more from lives
// than it needs to keep the workers busy. Whoever breaks the loop abandons the lives under way: they are waited for, up to two
// seconds.
func (p *Pool) Stream(ctx context.Context, lives iter.Seq[Life]) iter.Seq2[Report, error] {
	return func(yield func(Report, error) bool) {
		var busy sync.WaitGroup
		defer busy.Wait()
		ctx, abandon := context.WithCancel(ctx)
		defer abandon()
		next, stop := iter.Pull(lives)
		defer stop()
		var ahead []chan outcomeOf // in order
		for {
			for len(ahead) < 2*p.size { // so that a slow life does not keep the others from going on
				l, ok := next()
				if !ok {
					break
				}
				c := make(chan outcomeOf, 1)
				ahead = append(ahead, c)
				busy.Go(func() {
					r, err := p.Live(ctx, l)
					c <- outcomeOf{r, err}
				})
			}
			if len(ahead) == 0 {
				return
			}
			o := <-ahead[0]
			ahead = ahead[1:]
			if !yield(o.report, o.err) {
				return
			}
		}
	}
}

// outcomeOf is what Live returns.
type outcomeOf struct {
	report Report
	err    error
}

// Close ends the workers. It waits for the lives under way; nothing may be asked for any more.
func (p *Pool) Close() {
	for range p.size {
		(<-p.idle).vacate()
	}
}
