package main

import (
	"os"
	"testing"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
	"github.com/stretchr/testify/require"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lockstep-story")
		if err == nil {
			defer os.RemoveAll(dir)
			binary, err = real.Build(dir)
		}
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		return m.Run()
	}())
}

// output sends the story's lines to the test's log.
type output struct{ t *testing.T }

func (o output) Write(b []byte) (int, error) {
	o.t.Log(string(b[:len(b)-1]))
	return len(b), nil
}

func TestStory(t *testing.T) {
	for _, c := range []struct {
		name                 string
		nodes, keys, clients int
	}{
		{"three nodes", 3, 20000, 24},
		{"one node", 1, 3000, 8},
		{"five nodes", 5, 3000, 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.nodes != 1 {
				t.Skip("it takes half a minute; run without -short (make test)")
			}
			s := story{nodes: c.nodes, keys: c.keys, clients: c.clients, binary: binary, dir: t.TempDir(), out: output{t}}
			require.NoError(t, s.tell(t.Context()))
		})
	}
}

// The judgment must be able to fail.
func TestJudge(t *testing.T) {
	w := writes{acknowledged: "a", possible: []string{"b"}}
	require.NoError(t, w.judge(1, "a", true))
	require.NoError(t, w.judge(1, "b", true))
	require.ErrorContains(t, w.judge(1, "", false), "is lost")
	require.ErrorContains(t, w.judge(1, "c", true), "nobody wrote")
	require.NoError(t, writes{}.judge(1, "", false))
	require.ErrorContains(t, writes{}.judge(1, "", true), "nobody wrote")
}
