package fleet

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A life must depend on its plan alone. Run looks for what it does depend on besides (the order of a map, an address, the
// scheduler) by living one seed of twiceEvery in two processes that differ in GOMAXPROCS, and comparing the hashes.
const twiceEvery = 16

// twice says whether a seed is lived twice. The seed alone says it, so that the sum does not depend on the number of workers.
func twice(seed uint64) bool { return seed%twiceEvery == 0 }

// partTries is how often two lives that parted are lived again to see where: chance parted them, and may not each time.
const partTries = 5

// desk is where one goroutine of a run works: at two places, whose processes find different GOMAXPROCS.
type desk struct{ main, other place }

func (f *fleet) desk() *desk {
	d := &desk{}
	d.main = place{worker: f.job.Worker, lifeTimeMax: f.job.LifeTimeMax, processors: processors(f.job.Workers)}
	d.other = d.main
	d.other.processors = otherThan(d.main.processors)
	return d
}

// otherThan returns another GOMAXPROCS than the given one; 0 stands for what this process has.
func otherThan(processors int) int {
	if processors == 0 {
		processors = runtime.GOMAXPROCS(0)
	}
	if processors == 1 {
		return 2
	}
	return 1
}

// leave ends the workers of a desk, and adds what they took to the sum.
func (f *fleet) leave(d *desk) {
	d.main.vacate()
	d.other.vacate()
	f.lock.Lock()
	defer f.lock.Unlock()
	f.sum.CPU += d.main.cpu + d.other.cpu
}

// part lives a seed that took two courses again with traces, and adds to the failure where they part. The folder of the life gets
// the one, and a folder in it the other.
func (f *fleet) part(d *desk, l Life, failure *Failure) error {
	again := l
	again.Keep = filepath.Join(l.Keep, AgainName)
	for range partTries {
		if _, err := d.main.live(f.ctx, again); err != nil {
			return err
		}
		line, at, err := partedAt(filepath.Join(l.Keep, TraceName), filepath.Join(again.Keep, TraceName))
		if err != nil || line != "" {
			failure.Message, failure.At = failure.Message+"; "+line, at
			return err
		}
	}
	failure.Message += "; lived again, their traces read alike"
	return nil
}

// partedAt says in which line two traces part, and the simulated time of that; "" if they are the same.
func partedAt(first, second string) (line string, at int64, err error) {
	a, err := os.Open(first)
	if err != nil {
		return "", 0, err
	}
	defer a.Close()
	b, err := os.Open(second)
	if err != nil {
		return "", 0, err
	}
	defer b.Close()
	return parting(a, b)
}

func parting(a, b io.Reader) (line string, at int64, err error) {
	x, y := bufio.NewReader(a), bufio.NewReader(b)
	for n := 1; ; n++ {
		p, errP := readLine(x)
		q, errQ := readLine(y)
		switch {
		case errP != nil && errP != io.EOF:
			return "", 0, errP
		case errQ != nil && errQ != io.EOF:
			return "", 0, errQ
		case p != q:
			return fmt.Sprintf("they part at line %d: %s, and %s", n, quotedLine(p), quotedLine(q)), max(timeOf(p), timeOf(q)), nil
		case errP == io.EOF:
			return "", 0, nil
		}
	}
}

// readLine returns a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	return strings.TrimSuffix(text, "\n"), err
}

func quotedLine(line string) string {
	if line == "" {
		return "no more"
	}
	return strconv.Quote(strings.Join(strings.Fields(line), " "))
}

// timeOf reads the time of a line of a trace, milliseconds, as nanoseconds; 0 if there is none.
func timeOf(line string) int64 {
	ms, part, _ := strings.Cut(strings.Fields(line + " -")[0], ".")
	whole, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return 0
	}
	nanos, err := strconv.ParseInt((part + "000000")[:6], 10, 64)
	if err != nil {
		return 0
	}
	return whole*1e6 + nanos
}
