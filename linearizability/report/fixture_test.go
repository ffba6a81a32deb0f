package report

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

const fixtureSeed = 20261

// run makes a made-up run: clients that put, get and delete one after the other on some keys, with outcomes of all kinds.
type run struct {
	clients, keys, operations int
	// binary gives keys and values that no document can hold as they are.
	binary bool
}

func (r run) history() *history.History {
	rnd := rand.New(rand.NewPCG(fixtureSeed, uint64(r.operations)))
	h := &history.History{
		Origin: history.Origin{Format: "lockstep", File: "runs/split-17.jsonl", Store: "lockstep", Seed: 17, HasSeed: true, Revisions: history.Contract,
			Command: "lockstep chaos --seed 17 --nemesis partition", Started: "2026-11-03T09:14:07Z"},
		Clients: map[int32]string{},
	}
	const first = int64(1_000_000_000)
	free := make([]int64, r.clients)
	held := make([]history.Value, r.keys)
	var revision uint64
	for i := range r.operations {
		client := 0
		for c := range free {
			if free[c] < free[client] {
				client = c
			}
		}
		at := free[client] + int64(rnd.IntN(400_000))
		took := 300_000 + int64(rnd.IntN(2_000_000))
		k := rnd.IntN(r.keys)
		o := history.Operation{Client: int32(client), Line: int32(2*i + 2), Key: r.key(k), Invoke: first + at, Return: first + at + took, Outcome: history.Done, Kind: history.Get, Observed: held[k]}
		switch rnd.IntN(10) {
		case 0, 1, 2, 3:
			revision++
			o.Kind, o.Observed, o.Value, o.Revision = history.Put, history.Absent, history.Of(r.value(i)), revision
			held[k] = o.Value
		case 4:
			o.Kind, o.Observed = history.Delete, history.Absent
			held[k] = history.Absent
		}
		switch rnd.IntN(40) {
		case 0:
			o.Outcome, o.Return = history.Unknown, history.Forever
		case 1:
			o.Outcome = history.Refused
		case 2:
			if o.Kind == history.Put {
				o.Outcome, o.Condition, o.HasObserved, o.Observed = history.ConditionFailed, history.Condition{Kind: history.MustNotExist}, true, history.Of("v0")
			}
		}
		free[client] = at + took
		h.Operations = append(h.Operations, o)
	}
	h.Sort()
	end := h.Operations[len(h.Operations)-1].Invoke
	span := end - first
	h.Marks = []history.Mark{
		{Kind: history.Leader, Node: "node 1", From: first, To: first + span*4/10},
		{Kind: history.Fault, Node: "node 1", Text: "partition: node 1 | nodes 2, 3", From: first + span*3/10, To: first + span*6/10},
		{Kind: history.Leader, Node: "node 3", From: first + span*42/100, To: history.Forever},
		{Kind: history.Fault, Node: "node 2", Text: "pause", From: first + span*5/10, To: first + span*7/10},
	}
	return h
}

func (r run) key(k int) string {
	if r.binary {
		return fmt.Sprintf("k%d</script><script>boom()</script>\x00\xff\u202e\"'&", k)
	}
	return fmt.Sprintf("account/%d", k)
}

func (r run) value(i int) string {
	if r.binary {
		return fmt.Sprintf("<img src=x onerror=boom()>]]>\x01\xfe%d", i)
	}
	return fmt.Sprintf("v%d", i)
}

// stale plants a stale read: a write, one that overwrites it, and a get that returns the first one. It returns their indices.
func stale(h *history.History, key string) []int32 {
	start := h.Operations[0].Invoke
	span := h.Operations[len(h.Operations)-1].Invoke - start
	at := start + span*46/100
	ops := []history.Operation{
		{Client: 1, Line: 9001, Kind: history.Put, Outcome: history.Done, Key: key, Value: history.Of("v7"), Revision: 90_001, Invoke: at, Return: at + 1_204_117},
		{Client: 2, Line: 9002, Kind: history.Put, Outcome: history.Done, Key: key, Value: history.Of("v8"), Revision: 90_002, Invoke: at + 1_800_000, Return: at + 3_104_201},
		{Client: 3, Line: 9003, Kind: history.Get, Outcome: history.Done, Key: key, Observed: history.Of("v7"), Revision: 90_002, KeyRevision: 90_001, Invoke: at + 3_950_020, Return: at + 5_020_999},
	}
	h.Operations = slices.DeleteFunc(h.Operations, func(o history.Operation) bool { // a client does one thing after the other
		return slices.ContainsFunc(ops, func(x history.Operation) bool {
			return x.Client == o.Client && o.Invoke <= x.Return && (o.Return >= x.Invoke && o.Return != history.Forever || o.Invoke >= x.Invoke)
		})
	})
	h.Operations = append(h.Operations, ops...)
	h.Sort()
	found := make([]int32, len(ops))
	for i, o := range h.Operations {
		if o.Line > 9000 && o.Line <= 9003 && o.Key == key && o.Revision > 90_000 {
			found[o.Line-9001] = int32(i)
		}
	}
	return found
}

const staleSentence = "Get by client 3 returned v7, which client 2 had overwritten with v8 before client 3 asked"

// judged gives every key a made-up verdict: linearizable, the first ones with a violation or undecided as asked.
func judged(h *history.History) Checked {
	c := Checked{History: h, Command: "lockstep check --html report.html runs/split-17.jsonl", Nanoseconds: 12_345_678}
	c.Result = verdict.Result{Verdict: verdict.Linearizable, Operations: len(h.Operations), Unchecked: map[string]int{}}
	for n, p := range h.Partitions() {
		k := verdict.KeyResult{Key: p.Key, Verdict: verdict.Linearizable, Tier: []verdict.Tier{verdict.Witness, verdict.Zones, verdict.Search}[n%3]}
		for _, i := range p.Operations {
			if h.Operations[i].Constrains() {
				k.Operations++
			}
		}
		if k.Tier == verdict.Search {
			k.Steps = int64(k.Operations) * 31
		}
		c.Result.Checked += k.Operations
		c.Result.Keys = append(c.Result.Keys, k)
	}
	for i := range h.Operations {
		switch o := &h.Operations[i]; {
		case o.Outcome == history.Refused:
			c.Result.Unchecked["refused"]++
		case !o.Constrains():
			c.Result.Unchecked["reads of unknown outcome"]++
		}
	}
	return c
}

// violated is a run with a stale read on its second key, and an undecided third one.
func violated(r run) Checked {
	h := r.history()
	key := r.key(1)
	found := stale(h, key)
	c := judged(h)
	c.Result.Verdict = verdict.Violation
	for i := range c.Result.Keys {
		k := &c.Result.Keys[i]
		switch k.Key {
		case key:
			k.Verdict, k.Tier = verdict.Violation, verdict.Search
			k.Contradiction = &verdict.Contradiction{Kind: verdict.StaleRead, Operations: found, Sentence: staleSentence}
			k.Partial = partials(h, key)
		case r.key(2):
			k.Verdict, k.Tier, k.Steps = verdict.Undecided, verdict.NoTier, 10_000_000
			k.Reason = "the search ended after 10,000,000 steps: give it more with --budget, or write distinct values"
		}
	}
	return c
}

// partials are two made-up partial orders of a key.
func partials(h *history.History, key string) [][]int32 {
	var all []int32
	for _, p := range h.Partitions() {
		if p.Key != key {
			continue
		}
		for _, i := range p.Operations {
			if h.Operations[i].Constrains() {
				all = append(all, i)
			}
		}
	}
	return [][]int32{all[:len(all)/4], all[:len(all)/2]}
}

// stuck is a history of three operations on one key: two puts and a get of what the second one overwrote. placed is how far an
// order comes, next what does not fit behind it.
func stuck() (h *history.History, placed []int32, next int32) {
	h = &history.History{Origin: history.Origin{Format: "lockstep", File: "stuck.jsonl"}, Operations: []history.Operation{
		{Client: 1, Line: 2, Kind: history.Put, Outcome: history.Done, Key: "x", Value: history.Of("v1"), Invoke: 1_000, Return: 500_000},
		{Client: 2, Line: 4, Kind: history.Put, Outcome: history.Done, Key: "x", Value: history.Of("v2"), Invoke: 600_000, Return: 1_100_000},
		{Client: 3, Line: 6, Kind: history.Get, Outcome: history.Done, Key: "x", Observed: history.Of("v1"), Invoke: 1_200_000, Return: 1_700_000},
	}}
	return h, []int32{0, 1}, 2
}

func verdict1(h *history.History, placed []int32, next int32) Checked {
	c := judged(h)
	c.Result.Verdict = verdict.Violation
	k := &c.Result.Keys[0]
	k.Verdict, k.Tier, k.Partial = verdict.Violation, verdict.Search, [][]int32{placed}
	k.Contradiction = &verdict.Contradiction{Kind: verdict.StaleRead, Operations: append(slices.Clone(placed), next), Sentence: "get by client 3 returned v1, which client 2 overwrote before client 3 asked"}
	return c
}

// verdicts are results of all kinds, by name.
func verdicts() map[string]Checked {
	undecided := violated(smallRun)
	for i := range undecided.Result.Keys {
		k := &undecided.Result.Keys[i]
		if k.Verdict == verdict.Violation {
			k.Verdict, k.Contradiction, k.Partial = verdict.Linearizable, nil, nil
		}
	}
	undecided.Result.Verdict = verdict.Undecided
	torn := judged(smallRun.history())
	torn.History.Origin.Torn = true
	empty := Checked{History: &history.History{Origin: history.Origin{File: "-"}}}
	empty.Result.Verdict = verdict.Linearizable
	refused := Checked{History: &history.History{Operations: []history.Operation{{Kind: history.Put, Outcome: history.Refused, Key: "x", Value: history.Of("v")}}}}
	refused.Result = verdict.Result{Verdict: verdict.Linearizable, Operations: 1, Unchecked: map[string]int{"refused": 1}, Keys: []verdict.KeyResult{{Key: "x", Verdict: verdict.Linearizable}}}
	whole := judged(smallRun.history())
	whole.Result.Contradictions = []verdict.Contradiction{{Kind: verdict.RevisionReused, Operations: []int32{3, 40}, Sentence: "two writes have revision 12"}}
	bare := judged(smallRun.history())
	bare.Result.Keys[0].Verdict = verdict.Violation // and nothing else
	reasoned := judged(smallRun.history())
	reasoned.Result.Reason = "the file has transactions, which no tier checks"
	return map[string]Checked{
		"reasoned":  reasoned,
		"violation": violated(smallRun), "undecided": undecided, "linearizable": judged(smallRun.history()), "torn": torn, "empty": empty, "refused": refused,
		"whole": whole, "bare": bare,
	}
}

var headlines = map[string]string{
	"reasoned":  "Undecided",
	"violation": "Violation", "undecided": "Undecided", "linearizable": "Linearizable", "torn": "Linearizable", "empty": "Nothing checked",
	"refused": "Nothing checked", "whole": "Violation", "bare": "Violation",
}
