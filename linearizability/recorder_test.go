package linearizability

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// cell is a store of one key that counts its writes.
type cell struct {
	mu       sync.Mutex
	value    history.Value
	revision uint64
}

func (c *cell) put(value string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.revision = history.Of(value), c.revision+1
	return c.revision
}

func (c *cell) get() (history.Value, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.revision
}

// work puts a value of its own and gets, again and again, until it may not go on.
func (c *cell) work(r *Recorder, client int32, more func(i int) bool) {
	for i := 0; more(i); i++ {
		value := fmt.Sprintf("%d-%d", client, i)
		put := r.Invoke(history.Operation{Client: client, Kind: history.Put, Key: "k", Value: history.Of(value)})
		_ = r.Return(put, history.Operation{Outcome: history.Done, Revision: c.put(value)})
		get := r.Invoke(history.Operation{Client: client, Kind: history.Get, Key: "k"})
		seen, revision := c.get()
		_ = r.Return(get, history.Operation{Outcome: history.Done, Observed: seen, Revision: revision, KeyRevision: revision})
	}
}

// requireRun says that a history may have come from a cell: revisions and values fit, and time does not run backwards. With
// one key and every write numbered, that is linearizability, decided without the checker. It returns the number of returns.
func requireRun(t *testing.T, h *history.History) (returned int) {
	t.Helper()
	require.Equal(t, history.Contract, h.Origin.Revisions)
	invoked := map[string]bool{}
	last := int64(-1)
	for i := range h.Operations {
		o := &h.Operations[i]
		require.LessOrEqual(t, last, o.Invoke)
		last = o.Invoke
		if o.Kind == history.Put {
			require.False(t, invoked[o.Value.Data])
			invoked[o.Value.Data] = true
		}
		if o.Outcome != history.Unknown {
			returned++
		}
	}
	byRevision := map[uint64]string{}
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Kind == history.Put && o.Outcome == history.Done {
			require.Empty(t, byRevision[o.Revision], "revision %d twice", o.Revision)
			byRevision[o.Revision] = o.Value.Data
		}
	}
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Kind == history.Get && o.Outcome == history.Done {
			require.True(t, invoked[o.Observed.Data], "%s was read and not invoked", o.Observed)
			if writer, ok := byRevision[o.KeyRevision]; ok {
				require.Equal(t, writer, o.Observed.Data)
			}
		}
	}
	requireRevisionsInRealTime(t, h)
	return returned
}

// requireRevisionsInRealTime: no operation has a smaller revision than one that had returned before it was invoked.
func requireRevisionsInRealTime(t *testing.T, h *history.History) {
	t.Helper()
	byReturn := make([]*history.Operation, 0, len(h.Operations))
	for i := range h.Operations {
		if h.Operations[i].Outcome == history.Done {
			byReturn = append(byReturn, &h.Operations[i])
		}
	}
	slices.SortFunc(byReturn, func(a, b *history.Operation) int { return cmp.Compare(a.Return, b.Return) })
	newest, next := uint64(0), 0
	for i := range h.Operations {
		o := &h.Operations[i]
		for ; next < len(byReturn) && byReturn[next].Return < o.Invoke; next++ {
			newest = max(newest, byReturn[next].Revision)
		}
		if o.Outcome == history.Done {
			require.GreaterOrEqual(t, o.Revision, newest)
		}
	}
}

func contract() RecorderOptions {
	return RecorderOptions{Origin: history.Origin{Store: "cell", Revisions: history.Contract, Seed: 4, HasSeed: true}}
}

// requireOrder says that times do not fall from line to line.
func requireOrder(t *testing.T, file []byte) {
	t.Helper()
	last := int64(-1)
	for i, line := range bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) {
		var event struct{ At *int64 }
		require.NoError(t, json.Unmarshal(line, &event))
		if event.At != nil {
			require.LessOrEqual(t, last, *event.At, "line %d", i+1)
			last = *event.At
		}
	}
	require.Positive(t, last)
}

// Leaders change while the buffer is full: each ends once.
func TestLeadersChangeWhileThereIsNoRoom(t *testing.T) {
	o := contract()
	o.BufferBytes = 100
	r, err := NewRecorder(io.Discard, o)
	require.NoError(t, err)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for i := range 500 {
				r.Leader(fmt.Sprint("n", i))
			}
		})
	}
	running.Wait()
	require.NoError(t, r.Err())
	require.NoError(t, r.Close())
}

func TestManyClientsAtOnce(t *testing.T) {
	const clients, rounds = 16, 300
	var file bytes.Buffer
	o := contract()
	o.BufferBytes, o.Keep = 2000, true
	r, err := NewRecorder(&file, o)
	require.NoError(t, err)
	var c cell
	var running sync.WaitGroup
	for client := range int32(clients) {
		running.Go(func() {
			r.Name(client, fmt.Sprint("worker ", client))
			c.work(r, client, func(i int) bool { return i < rounds })
			span := r.Fault("n1", fmt.Sprint("fault ", client))
			r.Leader(fmt.Sprint("n", client))
			r.Note("", "done")
			r.End(span)
		})
	}
	running.Wait()
	require.NoError(t, r.Close())
	require.NoError(t, r.Err())

	requireOrder(t, file.Bytes())
	h, err := history.Read(&file)
	require.NoError(t, err)
	require.False(t, h.Origin.Torn)
	require.Len(t, h.Operations, clients*rounds*2)
	require.Equal(t, clients*rounds*2, requireRun(t, h))
	require.Len(t, h.Clients, clients)
	require.Len(t, h.Marks, 3*clients)
	leading := 0
	for _, m := range h.Marks {
		if m.To == history.Forever {
			leading++
			require.Equal(t, history.Leader, m.Kind)
		}
	}
	require.Equal(t, 1, leading, "one leader at a time, and the last one stays")

	kept, err := r.History()
	require.NoError(t, err)
	require.Equal(t, h.Marks, kept.Marks)
	require.Equal(t, h.Clients, kept.Clients)
	require.Equal(t, h.Origin, kept.Origin)
	require.Len(t, kept.Operations, len(h.Operations))
	for i := range h.Operations {
		require.Equal(t, h.Operations[i], kept.Operations[i])
	}
}

func TestRecordingWithoutAFile(t *testing.T) {
	r, err := NewRecorder(nil, RecorderOptions{})
	require.NoError(t, err)
	r.Leader("n1")
	call := r.Invoke(history.Operation{Client: 3, Kind: history.Put, Key: "a", Value: history.Of("x"), Condition: history.Condition{Kind: history.MustExist}})
	forgotten := r.Invoke(history.Operation{Client: 4, Kind: history.Get, Key: "a"})
	require.NotEqual(t, call, forgotten)
	require.NoError(t, r.Return(call, history.Operation{Outcome: history.ConditionFailed, HasObserved: true}))
	r.Leader("")

	h, err := r.History()
	require.NoError(t, err)
	require.Len(t, h.Operations, 2)
	require.Equal(t, "put x if present → condition failed: it was absent", h.Operations[0].String())
	require.LessOrEqual(t, h.Operations[0].Invoke, h.Operations[0].Return)
	require.Equal(t, history.Unknown, h.Operations[1].Outcome)
	require.Equal(t, history.Forever, h.Operations[1].Return)
	require.Len(t, h.Marks, 1)
	require.NotEqual(t, history.Forever, h.Marks[0].To)
	require.NoError(t, r.Close())

	r, err = NewRecorder(io.Discard, RecorderOptions{})
	require.NoError(t, err)
	_, err = r.History()
	require.ErrorContains(t, err, "Keep")
	require.NoError(t, r.Close())
}

// The interval that is recorded contains the time between the calls of Invoke and Return.
func TestTimesEncloseTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewRecorder(nil, RecorderOptions{})
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		call := r.Invoke(history.Operation{Kind: history.Get, Key: "a"})
		time.Sleep(2 * time.Second)
		require.NoError(t, r.Return(call, history.Operation{Outcome: history.Done}))
		h, err := r.History()
		require.NoError(t, err)
		require.Equal(t, int64(3*time.Second), h.Operations[0].Invoke)
		require.Equal(t, int64(5*time.Second), h.Operations[0].Return)
		require.Equal(t, "2000-01-01T00:00:00Z", h.Origin.Started)
		require.NoError(t, r.Close())
	})
}

// gate is a writer that lets through what it is told to, and says when it is waited for.
type gate struct {
	mu     sync.Mutex
	file   bytes.Buffer
	writes int
	shut   chan struct{} // closed: open; nil: open
	err    error
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.writes++
	shut, err := g.shut, g.err
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.file.Write(p)
}

func (g *gate) set(shut chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.err = shut, err
}

func (g *gate) bytes() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return bytes.Clone(g.file.Bytes())
}

// What is recorded is in the file after an interval at the latest, also if nothing follows.
func TestEventsAreWrittenWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		o := contract()
		o.FlushEvery = 50 * time.Millisecond
		r, err := NewRecorder(&g, o)
		require.NoError(t, err)
		require.Contains(t, string(g.bytes()), "lockstep-history", "the header is there at once")
		header := len(g.bytes())
		r.Invoke(history.Operation{Kind: history.Get, Key: "a"})
		synctest.Wait()
		require.Len(t, g.bytes(), header, "one event is not worth a write")
		time.Sleep(51 * time.Millisecond)
		synctest.Wait()
		h, err := history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err)
		require.Len(t, h.Operations, 1)
		time.Sleep(time.Second)
		require.Equal(t, 2, g.writes, "nothing new, nothing written")
		require.NoError(t, r.Close())
	})
}

// A slow disk makes callers wait, and the memory stays bounded; then all goes on and nothing is lost.
func TestASlowDiskMakesCallersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		o := contract()
		o.BufferBytes = 4000
		r, err := NewRecorder(&g, o)
		require.NoError(t, err)
		shut := make(chan struct{})
		g.set(shut, nil)
		const clients, rounds = 5, 100
		var c cell
		for client := range int32(clients) {
			go c.work(r, client, func(i int) bool { return i < rounds })
		}
		synctest.Wait() // for all of them to be stuck
		time.Sleep(time.Hour)
		r.mu.Lock()
		lines := int(r.lines)
		require.GreaterOrEqual(t, len(r.buf), o.BufferBytes)
		require.Less(t, int(r.appended-r.written), 2*(o.BufferBytes+200))
		r.mu.Unlock()
		require.Less(t, lines, 200)
		close(shut)
		synctest.Wait()
		require.NoError(t, r.Close())
		h, err := history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err)
		require.Equal(t, clients*rounds*2, requireRun(t, h))
	})
}

// A caller that waits for room when the recorder closes is told, and not left behind.
func TestCloseFreesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		r, err := NewRecorder(&g, RecorderOptions{BufferBytes: 100})
		require.NoError(t, err)
		shut := make(chan struct{})
		g.set(shut, nil)
		told := make(chan error, 1)
		go func() {
			for {
				if err := r.Return(r.Invoke(history.Operation{Kind: history.Get, Key: "a"}), history.Operation{}); err != nil {
					told <- err
					return
				}
			}
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- r.Close() }()
		require.ErrorIs(t, <-told, ErrRecorderClosed)
		close(shut)
		require.NoError(t, <-closed)
		_, err = history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err)
	})
}

// So is one that waits when the recording fails, also while the disk still does not answer.
func TestAnErrorFreesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		r, err := NewRecorder(&g, RecorderOptions{BufferBytes: 100})
		require.NoError(t, err)
		shut := make(chan struct{})
		g.set(shut, nil)
		var c cell
		var running sync.WaitGroup
		running.Go(func() { c.work(r, 1, func(i int) bool { return i < 100 }) })
		synctest.Wait()
		r.mu.Lock()
		require.ErrorContains(t, r.fail(errors.New("another caller broke a rule")), "broke a rule")
		r.mu.Unlock()
		running.Wait()
		close(shut)
		require.ErrorContains(t, r.Close(), "broke a rule")
	})
}

// A disk that fails ends the recording. Everyone is told, nobody waits, and nothing is written behind the gap.
func TestAFailingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		o := contract()
		o.BufferBytes = 1000
		r, err := NewRecorder(&g, o)
		require.NoError(t, err)
		full, shut := errors.New("the disk is full"), make(chan struct{})
		g.set(shut, full)
		var c cell
		var running sync.WaitGroup
		for client := range int32(5) {
			running.Go(func() { c.work(r, client, func(i int) bool { return i < 1000 }) })
		}
		synctest.Wait() // a buffer is on its way, the other one is full
		g.set(nil, nil) // it would get through, and would leave a gap before it
		close(shut)
		running.Wait()
		writes := g.writes
		require.ErrorIs(t, r.Err(), full)
		require.ErrorIs(t, r.Flush(), full)
		require.ErrorIs(t, r.Return(r.Invoke(history.Operation{Kind: history.Get, Key: "a"}), history.Operation{}), full)
		r.End(r.Fault("", ""))
		r.Leader("n1")
		r.Note("", "")
		r.Name(1, "")
		require.ErrorIs(t, r.Close(), full)
		require.ErrorIs(t, r.Close(), full)
		require.Equal(t, writes, g.writes)
		h, err := history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err)
		require.Empty(t, h.Operations)
	})
}

func TestFlushWaitsForWhatWasRecorded(t *testing.T) {
	var g gate
	r, err := NewRecorder(&g, RecorderOptions{FlushEvery: time.Hour})
	require.NoError(t, err)
	for i := range 100 {
		r.Invoke(history.Operation{Client: int32(i), Kind: history.Get, Key: "a"})
		require.NoError(t, r.Flush())
		h, err := history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err)
		require.Len(t, h.Operations, i+1)
	}
	require.NoError(t, r.Close())
	require.NoError(t, r.Flush())
}

// One big event passes, and its buffer is not kept.
func TestABigEvent(t *testing.T) {
	var g gate
	r, err := NewRecorder(&g, RecorderOptions{BufferBytes: 1000})
	require.NoError(t, err)
	big := history.Of(strings.Repeat("x", 1<<20))
	for i := range 4 {
		call := r.Invoke(history.Operation{Kind: history.Put, Key: fmt.Sprint(i), Value: big})
		require.NoError(t, r.Return(call, history.Operation{Outcome: history.Done}))
		require.NoError(t, r.Flush())
	}
	r.mu.Lock()
	require.LessOrEqual(t, cap(r.buf)+cap(r.spare), 4*1000)
	r.mu.Unlock()
	require.NoError(t, r.Close())
	h, err := history.Read(bytes.NewReader(g.bytes()))
	require.NoError(t, err)
	require.Equal(t, big, h.Operations[3].Value)
}

// attentive is a writer that takes its time and minds when what it writes changes meanwhile.
type attentive struct {
	gate
	changed bool
}

func (a *attentive) Write(p []byte) (int, error) {
	before := bytes.Clone(p)
	for range 50 {
		runtime.Gosched()
	}
	a.changed = a.changed || !bytes.Equal(before, p)
	return a.gate.Write(before)
}

// Events above and below the buffer's size take turns; none ends up in another's place.
func TestBigAndSmallEventsAtOnce(t *testing.T) {
	const clients, rounds = 8, 200
	var g attentive
	r, err := NewRecorder(&g, RecorderOptions{BufferBytes: 1000})
	require.NoError(t, err)
	valueOf := func(client, i int) string { return strings.Repeat(fmt.Sprintf("%d-%d ", client, i), 1+i%3*400) }
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			for i := range rounds {
				r.Invoke(history.Operation{Client: int32(client), Kind: history.Put, Key: "a", Value: history.Of(valueOf(client, i))})
			}
		})
	}
	running.Wait()
	require.NoError(t, r.Close())
	require.False(t, g.changed)
	h, err := history.Read(bytes.NewReader(g.bytes()))
	require.NoError(t, err)
	next := make([]int, clients)
	for _, o := range h.Operations {
		require.Equal(t, valueOf(int(o.Client), next[o.Client]), o.Value.Data)
		next[o.Client]++
	}
	require.Equal(t, slices.Repeat([]int{rounds}, clients), next)
}

// A caller who breaks the rules ends the recording with an error; what was recorded before is in the file, and right.
func TestMisuseEndsTheRecording(t *testing.T) {
	put := history.Operation{Kind: history.Put, Key: "a", Value: history.Of("x")}
	done := history.Operation{Outcome: history.Done}
	for reason, misuse := range map[string]func(r *Recorder, c Call){
		"which is not under way": func(r *Recorder, c Call) { _ = r.Return(c, done); _ = r.Return(c, done) },
		"operation 77":           func(r *Recorder, c Call) { _ = r.Return(Call{id: 77, slot: 900}, done) },
		"operation 0":            func(r *Recorder, c Call) { _ = r.Return(Call{}, done) },
		"a put without a value":  func(r *Recorder, c Call) { r.Invoke(history.Operation{Kind: history.Put}) },
		"does not have":          func(r *Recorder, c Call) { _ = r.Return(c, history.Operation{Outcome: history.ConditionFailed}) },
		"named twice":            func(r *Recorder, c Call) { r.Name(1, "a"); r.Name(1, "b") },
		"span 1, which is over":  func(r *Recorder, c Call) { s := r.Fault("", ""); r.End(s); r.End(s) },
		"span 9, which is over":  func(r *Recorder, c Call) { r.End(9) },
	} {
		var g gate
		r, err := NewRecorder(&g, RecorderOptions{})
		require.NoError(t, err)
		call := r.Invoke(put)
		require.NoError(t, r.Err())
		misuse(r, call)
		require.ErrorContains(t, r.Err(), reason)
		require.Zero(t, r.Invoke(put))
		require.ErrorContains(t, r.Return(call, done), reason)
		require.ErrorContains(t, r.Close(), reason)
		h, err := history.Read(bytes.NewReader(g.bytes()))
		require.NoError(t, err, reason)
		require.Len(t, h.Operations, 1)
	}
}

func TestAfterClose(t *testing.T) {
	var g gate
	r, err := NewRecorder(&g, RecorderOptions{})
	require.NoError(t, err)
	call := r.Invoke(history.Operation{Kind: history.Get, Key: "a"})
	require.NoError(t, r.Close())
	size := len(g.bytes())
	require.ErrorIs(t, r.Return(call, history.Operation{Outcome: history.Done}), ErrRecorderClosed)
	require.Zero(t, r.Invoke(history.Operation{Kind: history.Get, Key: "a"}))
	r.Note("", "too late")
	require.NoError(t, r.Close())
	require.NoError(t, r.Err())
	require.Len(t, g.bytes(), size)
}

func TestARecorderThatCanNotStart(t *testing.T) {
	full := errors.New("the disk is full")
	_, err := NewRecorder(&gate{err: full}, RecorderOptions{})
	require.ErrorIs(t, err, full)
	var wrong *history.RecordError
	_, err = NewRecorder(io.Discard, RecorderOptions{Origin: history.Origin{Started: "now"}})
	require.ErrorAs(t, err, &wrong)
	for _, o := range []RecorderOptions{{FlushEvery: -1}, {BufferBytes: -1}} {
		_, err = NewRecorder(io.Discard, o)
		require.ErrorContains(t, err, "negative")
	}
}

// victim is set to a file for the process that TestWhatAKilledProgramLeaves starts.
const victim = "LOCKSTEP_TEST_RECORDER_FILE"

// A program that is killed in the middle leaves a file that reads, and that is the beginning of a run: nobody in it observed
// what nobody in it asked for.
func TestWhatAKilledProgramLeaves(t *testing.T) {
	if name := os.Getenv(victim); name != "" {
		recordForever(t, name)
	}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		name := filepath.Join(t.TempDir(), "history.jsonl")
		c := exec.Command(os.Args[0], "-test.run=^TestWhatAKilledProgramLeaves$")
		c.Env = append(os.Environ(), victim+"="+name)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		said := bufio.NewScanner(out)
		for range 1 + round { // at another point each time
			require.True(t, said.Scan(), "the program ended by itself")
		}
		require.NoError(t, c.Process.Kill())
		_ = c.Wait()

		file, err := os.ReadFile(name)
		require.NoError(t, err)
		h, err := history.Read(bytes.NewReader(file))
		require.NoError(t, err)
		returned := requireRun(t, h)
		require.GreaterOrEqual(t, returned, 1000*(1+round), "what was flushed is there")
		t.Logf("%d bytes, %d operations, %d of them returned, torn %v", len(file), len(h.Operations), returned, h.Origin.Torn)
	}
}

// recordForever says a line for each thousand operations that are in the file.
func recordForever(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	o := contract()
	o.BufferBytes = 3000
	r, err := NewRecorder(f, o)
	require.NoError(t, err)
	var c cell
	for client := range int32(7) {
		go c.work(r, client+1, func(int) bool { return true })
	}
	c.work(r, 0, func(i int) bool {
		if i > 0 && i%500 == 0 {
			require.NoError(t, r.Flush())
			fmt.Println("another thousand")
		}
		return true
	})
}
