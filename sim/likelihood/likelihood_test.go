package likelihood

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fake lives nothing: fails says what comes of a life.
func fake(fails func(fleet.Life) *fleet.Failure) Lives {
	return func(ctx context.Context, lives iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error] {
		return func(yield func(fleet.Report, error) bool) {
			for l := range lives {
				if !yield(fleet.Report{Seed: l.Seed, Failure: fails(l), Simulated: 60e9}, ctx.Err()) {
					return
				}
			}
		}
	}
}

const end = int64(40e9)

// since fails from a moment on, and before it in one of so many courses.
func since(moment int64, oneOf uint64) Lives {
	return fake(func(l fleet.Life) *fleet.Failure {
		if l.Reseed.Seed == 0 || l.Reseed.At >= moment || l.Reseed.Seed%oneOf == 0 {
			return &fleet.Failure{Kind: "state", Message: "n1 and n2 differ", At: end}
		}
		return nil
	})
}

func drawn() *plan.Plan {
	p, err := plan.Draw(1, "quiet")
	if err != nil {
		panic(err)
	}
	return p
}

var usual = Options{Tries: 20, Points: 24, Refine: 24}

// Wherever the moment is, it is found, to a millisecond.
func TestTheMomentIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Int64Range(1, end).Draw(t, "moment")
		c, err := Estimate(t.Context(), drawn(), since(moment, 10), usual)
		require.NoError(t, err)
		j, ok := c.Jump()
		require.True(t, ok)
		require.Less(t, j.From, moment)
		require.GreaterOrEqual(t, j.To, moment)
		require.LessOrEqual(t, j.To-j.From, int64(gapMin))
		require.InDelta(t, 0.1, j.Before, 0.01)
		require.InDelta(t, 1.0, j.After, 0)
		require.Contains(t, c.Sentence(), fmt.Sprintf("with chance from %s on 10 %% fail, from %s on 100 %%: the moment is between the two", Time(j.From), Time(j.To)))
		for i := 1; i < len(c.Points); i++ {
			require.Less(t, c.Points[i-1].At, c.Points[i].At)
		}
		require.Equal(t, Point{At: end, Tries: 20, Fails: 20}, c.Points[len(c.Points)-1])
	})
}

// Without a jump there is nothing to look closer at.
func TestNoMoment(t *testing.T) {
	c, err := Estimate(t.Context(), drawn(), since(0, 10), usual)
	require.NoError(t, err)
	_, ok := c.Jump()
	require.False(t, ok)
	require.Contains(t, c.Sentence(), "the plan alone")
	require.Len(t, c.Points, 25)
}

// A failure of another kind is not the failure that is looked for.
func TestOnlyTheSameWayCounts(t *testing.T) {
	c, err := Estimate(t.Context(), drawn(), fake(func(l fleet.Life) *fleet.Failure {
		if l.Reseed.Seed == 0 {
			return &fleet.Failure{Kind: "state", At: 8} // a life can end before there are so many moments
		}
		return &fleet.Failure{Kind: "term", At: 8}
	}), usual)
	require.NoError(t, err)
	require.Len(t, c.Points, 9)
	require.Zero(t, c.Points[7].Fails)
}

func TestAFailureOfUnknownTime(t *testing.T) {
	c, err := Estimate(t.Context(), drawn(), fake(func(fleet.Life) *fleet.Failure { return &fleet.Failure{Kind: fleet.Hang} }), usual)
	require.NoError(t, err)
	require.Equal(t, int64(60e9), c.End)
}

func TestWhatCannotBeEstimated(t *testing.T) {
	_, err := Estimate(t.Context(), drawn(), fake(func(fleet.Life) *fleet.Failure { return nil }), usual)
	require.ErrorIs(t, err, ErrPasses)
	broken := func(context.Context, iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error] {
		return func(yield func(fleet.Report, error) bool) { yield(fleet.Report{}, errors.New("no paper")) }
	}
	_, err = Estimate(t.Context(), drawn(), broken, usual)
	require.EqualError(t, err, "no paper")
}

// What was finished before an interruption is shown.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := usual
	o.Progress = func(lives, atMost int) {
		require.Equal(t, 960, atMost)
		if lives == 65 {
			cancel()
		}
	}
	c, err := Estimate(ctx, drawn(), since(10e9, 10), o)
	require.NoError(t, err)
	require.True(t, c.Interrupted)
	require.Len(t, c.Points, 4)
}

func TestText(t *testing.T) {
	c := &Curve{End: 4e9, Points: []Point{{0, 20, 1}, {2e9, 20, 2}, {2_000_900_000, 20, 18}, {4e9, 20, 20}}, Report: fleet.Report{Failure: &fleet.Failure{Kind: "state", Message: "n1 <b> n2"}}}
	var out bytes.Buffer
	c.Text(&out)
	require.Equal(t, `   chance from                                            share that fails
      0.0000 s  ##......................................    5 % (1 of 20)
      2.0000 s  ####....................................   10 % (2 of 20)  <- the moment is behind this
      2.0009 s  ####################################....   90 % (18 of 20)  <- and before this
      4.0000 s  ########################################  100 % (20 of 20)  <- it shows
`, out.String())
	require.Equal(t, "with chance from 2.0000 s on 10 % fail, from 2.0009 s on 90 %: the moment is between the two, 1.9991 s before it showed", c.Sentence())

	out.Reset()
	require.NoError(t, (&Page{Title: "seed 17", Curve: c, Lines: []string{"1.0 send"}}).Write(&out))
	require.Contains(t, out.String(), "n1 &lt;b&gt; n2")
	require.Equal(t, 4, strings.Count(out.String(), "<circle"))
	require.Contains(t, out.String(), `class="jump"`)
	require.NotContains(t, out.String(), "http://")
}

// A failure that takes two things becomes likelier twice. The shares are those that were measured beside the jumps, not means over all.
func TestSeveralJumps(t *testing.T) {
	c := &Curve{End: 9e9, Points: []Point{{0, 20, 3}, {1e9, 20, 0}, {2e9, 20, 6}, {3e9, 20, 4}, {4e9, 20, 13}, {9e9, 20, 20}}}
	require.Equal(t, []Jump{{From: 1e9, To: 2e9, Before: 0, After: 0.3}, {From: 3e9, To: 4e9, Before: 0.2, After: 0.65}, {From: 4e9, To: 9e9, Before: 0.65, After: 1}}, c.Jumps())
	j, ok := c.Jump()
	require.True(t, ok)
	require.EqualValues(t, 3e9, j.From)
	require.Equal(t, "the share jumps 3 times: with chance from 1.0000 s on 0 % fail, from 2.0000 s on 30 %; with chance from 3.0000 s on 20 % fail, from 4.0000 s on 65 %; "+
		"with chance from 4.0000 s on 65 % fail, from 9.0000 s on 100 %", c.Sentence())
}

func TestLinesAroundTheMoment(t *testing.T) {
	var trace strings.Builder
	for i := range 100 {
		fmt.Fprintf(&trace, "%6d.000001  send      n1\n", i)
	}
	trace.WriteString("panic: what has no time\n\n")
	lines, err := Around(strings.NewReader(trace.String()), 10e6, 12e6, 6)
	require.NoError(t, err)
	require.Equal(t, []string{"    10.000001  send      n1", "    11.000001  send      n1"}, lines)
	lines, err = Around(strings.NewReader(trace.String()), 0, 1e9, 5)
	require.NoError(t, err)
	require.Len(t, lines, 6)
	require.Equal(t, "     1.000001  send      n1", lines[1])
	require.Contains(t, lines[2], "95 lines are left out")
	require.Equal(t, "    99.000001  send      n1", lines[5])
}
