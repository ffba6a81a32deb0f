package up

import (
	"io"
	"testing"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
)

func supervise(t *testing.T, formed bool) *supervisor {
	t.Helper()
	d := directory{dir: t.TempDir(), memory: found(Wish{})}
	d.memory.Formed = formed
	p, err := newPlan(d.memory, d.dir)
	require.NoError(t, err)
	return newSupervisor(Options{Out: io.Discard, NoRestart: true}, d, p)
}

func refused(id uint64) nodeEnding {
	return nodeEnding{id: id, pid: 1, ending: ending{code: int(exit.BadData), reason: "ended with code 65: lost"}}
}

// A cluster that has served goes on with a majority; it does not without one.
func TestANodeThatCannotRunIsLeftOut(t *testing.T) {
	s := supervise(t, true)
	require.NoError(t, s.ended(refused(2)))
	require.Zero(t, s.plan.Nodes[1].PID)
	require.Equal(t, "down", s.watch.role(2))
	require.Len(t, s.watch.waitedFor(), 2, "nobody waits for it")
	err := s.ended(refused(3))
	require.Equal(t, exit.BadData, exit.CodeOf(err))
	require.ErrorContains(t, err, "node 3 ended with code 65: lost")
}

// Founding takes every node.
func TestAClusterThatNeverFormedNeedsAllNodes(t *testing.T) {
	s := supervise(t, false)
	require.Equal(t, exit.BadData, exit.CodeOf(s.ended(refused(2))))
}

func TestFormingIsRemembered(t *testing.T) {
	s := supervise(t, false)
	s.plan.Nodes[0].PID = 1
	require.NoError(t, s.becomeReady(1))
	require.NoError(t, s.ended(refused(2)))
	m, err := recall(s.directory.dir)
	require.NoError(t, err)
	require.True(t, m.Formed)
}
