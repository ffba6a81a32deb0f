package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/readers"
)

// inFolder are the names that a history has in the folder of its run.
var inFolder = []string{"history.jsonl", "history.edn"}

// read returns the history that an argument names.
func (s *Settings) read(ctx context.Context, name string, p *progress) (*history.History, error) {
	h, err := s.open(source{ctx, p}, name)
	if err != nil {
		return nil, err
	}
	h.Origin.File = name
	if s.InitialGiven {
		h.Origin.Initial = history.Of(s.Initial)
	}
	return h, nil
}

func (s *Settings) open(from source, name string) (*history.History, error) {
	if name == "-" {
		return s.parse(from.of(s.In), "standard input")
	}
	at, err := os.Stat(name)
	if err == nil && at.IsDir() {
		return s.folder(from, name)
	}
	return s.file(from, name)
}

func (s *Settings) file(from source, name string) (*history.History, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, exit.Wrap(exit.BadData, "", err)
	}
	defer f.Close()
	return s.parse(from.of(f), name)
}

func (s *Settings) parse(r io.Reader, name string) (*history.History, error) {
	h, err := readers.Read(r, readers.Options{Format: s.Format, Model: s.Model, File: name})
	return h, exit.Wrap(exit.BadData, "", err)
}

// folder reads the history of a run that is kept in a folder.
func (s *Settings) folder(from source, dir string) (*history.History, error) {
	for _, name := range inFolder {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return s.file(from, file)
		}
	}
	clients, err := readers.EtcdRunFiles(os.DirFS(dir))
	if err != nil {
		return nil, exit.Wrap(exit.BadData, "", err)
	}
	if len(clients) == 0 {
		return nil, exit.New(exit.BadData, "name a file", "%s holds no history: none of %v, nor client-*/operations.json", dir, inFolder)
	}
	if s.Format != "auto" && s.Format != "etcd-robustness" {
		return nil, exit.New(exit.BadData, "", "%s is a run of etcd's robustness tests, not %s", dir, s.Format)
	}
	h, err := readers.ReadEtcdRun(os.DirFS(dir), clients)
	if err != nil {
		return nil, exit.Wrap(exit.BadData, "", fmt.Errorf("%s: %w", dir, err))
	}
	return h, nil
}

// source is what files are read through: reading is counted, and ends when ctx does.
type source struct {
	ctx context.Context
	p   *progress
}

func (s source) of(r io.Reader) io.Reader { return &watched{s, r} }

type watched struct {
	source
	r io.Reader
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(b)
	w.p.bytes(n)
	return n, err
}

// unreadable returns why a file can't be read, without its name where that stands beside it.
func unreadable(err error) string {
	var bad *readers.Error
	if !errors.As(err, &bad) {
		return err.Error()
	}
	if bad.Line == 0 {
		return bad.Reason
	}
	return fmt.Sprintf("line %d: %s", bad.Line, bad.Reason)
}
