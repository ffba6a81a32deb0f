package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// The protocol: the worker says hello; then, for each Life on its standard input, it writes an answer to its standard output. All
// are JSON, one object a line. At the end of its input it ends, whatever it is doing: its parent is gone, or has no use for it.

// hello is the first line of a worker.
type hello struct {
	Ready bool `json:"ready"`
}

// answer is what a worker says of a life.
type answer struct {
	Report Report `json:"report"`
	Error  string `json:"error,omitempty"` // of keeping the life
}

const (
	// gcPercent trades memory for speed: a life's heap is small.
	gcPercent = 400
	// stackBytesMax ends an endless recursion sooner than Go's own bound of 1 GB.
	stackBytesMax = 64 << 20
	// heapBytesMax ends a worker that eats memory before the machine suffers. A life takes some tens of MB.
	heapBytesMax = 2 << 30
)

// Serve is a worker: it lives what it is asked for until its input ends. It takes over the process's settings, so nothing else
// should go on in it.
func Serve(in io.Reader, out io.Writer, live Runner) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // what is sent to the whole group is for the parent, which ends us
	debug.SetGCPercent(gcPercent)
	debug.SetMaxStack(stackBytesMax)
	go watchHeap(heapBytesMax, func(bytes uint64) {
		fmt.Fprintf(os.Stderr, "fatal error: the life takes %d MiB of memory; %d are allowed\n", bytes>>20, heapBytesMax>>20)
		os.Exit(1)
	})
	w := json.NewEncoder(out)
	if err := w.Encode(hello{Ready: true}); err != nil {
		return err
	}
	lives, failed := make(chan Life), make(chan error, 1)
	go func() { failed <- answerAll(lives, w, live) }()
	return read(in, lives, failed)
}

// read hands the lives on. It goes on reading meanwhile, so that it sees the end of the input.
func read(in io.Reader, lives chan<- Life, failed <-chan error) error {
	d := json.NewDecoder(in)
	for {
		var l Life
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case lives <- l:
		case err := <-failed:
			return err
		}
	}
}

func answerAll(lives <-chan Life, w *json.Encoder, live Runner) error {
	for l := range lives {
		r, err := live(l)
		a := answer{Report: r}
		if err != nil {
			a.Error = err.Error()
		}
		if err := w.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// heapCheckEvery is short enough that memory which is zeroed as it is taken cannot outrun it by much.
const heapCheckEvery = 50 * time.Millisecond

// watchHeap calls beyond once the live heap is larger than bytesMax.
func watchHeap(bytesMax uint64, beyond func(bytes uint64)) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		metrics.Read(sample)
		if n := sample[0].Value.Uint64(); n > bytesMax {
			beyond(n)
			return
		}
		time.Sleep(heapCheckEvery)
	}
}
