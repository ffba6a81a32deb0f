package report

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// checked is what the checker itself says of a history.
func checked(h *history.History) Checked {
	return Checked{History: h, Result: linearizability.Check(context.Background(), h, linearizability.Options{Certificates: true}), Command: "lockstep check " + h.Origin.File}
}

// The three reports say the same of a real verdict.
func TestReportsOfARealVerdict(t *testing.T) {
	h, _, _ := stuck()
	c := checked(h)
	require.Equal(t, verdict.Violation, c.Result.Verdict)
	x := c.Result.Keys[0].Contradiction
	page := htmlOf(t, c)
	has(t, page, ">Violation</h1>")
	has(t, page, sentence(x.Sentence))
	require.Contains(t, jsonOf(t, c), `"kind": "`+string(x.Kind)+`"`)
	s, _ := junitOf(t, c)
	require.Equal(t, x.Sentence, s.Suites[0].Cases[0].Failure.Message)

	h.Operations[2].Observed = history.Of("v2")
	c = checked(h)
	require.Equal(t, verdict.Linearizable, c.Result.Verdict)
	has(t, htmlOf(t, c), ">Linearizable</h1>")
	r := embedded(t, htmlOf(t, c))
	require.True(t, r.Keys[0].Orders[0].Whole)
	require.Equal(t, []int32{0, 1, 2}, r.Keys[0].Orders[0].Operations)
}

// A real partial order replays, so that the page can say what could not follow it.
func TestPartialOrdersOfARealVerdict(t *testing.T) {
	h, _, _ := stuck()
	c := Checked{History: h, Result: linearizability.Check(context.Background(), h, linearizability.Options{Certificates: true, Tiers: []verdict.Tier{verdict.Search}})}
	r := embedded(t, htmlOf(t, c))
	require.NotEmpty(t, r.Keys[0].Orders)
	for _, o := range r.Keys[0].Orders {
		require.NotEmpty(t, o.State)
		require.NotEmpty(t, o.Blocked)
	}
}
