// Command story shows on real processes that Lockstep keeps every acknowledged write.
//
//	go run ./scripts/story -nodes 3 -keys 20000
//
// It starts a cluster with `lockstep up`, writes keys with concurrent clients through all nodes, some by HTTP and some by
// gRPC, kills the leader with SIGKILL in the middle and later all nodes at once, and lets `up` restart them. Then it reads
// every key back through every node, stops the cluster, starts it again on the same directory, and reads once more. Every
// acknowledged write has to be there, and no value that nobody wrote. A write of unknown outcome may be there or not.
//
// The tests of this folder run the same code.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
)

func main() {
	s := story{out: os.Stdout}
	flag.IntVar(&s.nodes, "nodes", 3, "nodes of the cluster")
	flag.IntVar(&s.keys, "keys", 20000, "keys to write")
	flag.IntVar(&s.clients, "clients", 24, "concurrent clients")
	flag.StringVar(&s.binary, "binary", "", "lockstep binary; empty: build it")
	flag.Parse()
	if err := run(&s); err != nil {
		fmt.Fprintln(os.Stderr, "story:", err)
		os.Exit(1)
	}
}

func run(s *story) error {
	dir, err := os.MkdirTemp("", "lockstep-story")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.binary == "" {
		if s.binary, err = real.Build(dir); err != nil {
			return err
		}
	}
	s.dir = dir
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return s.tell(ctx)
}
