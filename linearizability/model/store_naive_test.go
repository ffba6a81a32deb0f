package model

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// naiveStore is the oracle: a second store, written from the API's promises without regard for cost, which keeps every
// version of everything in Go maps.
type naiveStore struct {
	revision  int64
	compacted int64
	versions  []map[string]naiveKey // by revision
	leases    map[int64]bool
}

// naiveKey is what the oracle holds under a key.
type naiveKey struct {
	value                string
	mod, create, version int64
	lease                int64
}

func newNaiveStore() *naiveStore {
	return &naiveStore{revision: 1, compacted: -1, versions: []map[string]naiveKey{{}, {}}, leases: map[int64]bool{}}
}

func (n *naiveStore) clone() *naiveStore {
	return &naiveStore{revision: n.revision, compacted: n.compacted, versions: slices.Clone(n.versions), leases: maps.Clone(n.leases)}
}

// naiveAnswer is what the oracle answers. Refused means an error that the client can't tell from an unknown outcome.
type naiveAnswer struct {
	refused   bool
	failure   history.Failure
	succeeded bool
	results   []history.StepResult
	revision  int64
}

// do carries out a transaction.
func (n *naiveStore) do(t *history.Transaction) naiveAnswer {
	switch t.Kind {
	case history.GrantLease:
		if t.Lease != 0 && n.leases[t.Lease] {
			return naiveAnswer{refused: true}
		}
		if t.Lease != 0 {
			n.leases[t.Lease] = true
		}
		return naiveAnswer{revision: n.revision}
	case history.RevokeLease:
		return n.revoke(t.Lease)
	case history.Compact:
		if t.Revision <= n.compacted {
			return naiveAnswer{failure: history.Compacted}
		}
		if t.Revision > n.revision {
			return naiveAnswer{failure: history.FutureRevision}
		}
		n.compacted = t.Revision
		return naiveAnswer{}
	case history.Defragment:
		return naiveAnswer{}
	}
	return n.steps(t)
}

func (n *naiveStore) revoke(lease int64) naiveAnswer {
	if !n.leases[lease] {
		return naiveAnswer{refused: true}
	}
	delete(n.leases, lease)
	keys := maps.Clone(n.versions[n.revision])
	maps.DeleteFunc(keys, func(_ string, k naiveKey) bool { return k.lease == lease })
	if len(keys) != len(n.versions[n.revision]) {
		n.write(keys)
	}
	return naiveAnswer{revision: n.revision}
}

func (n *naiveStore) write(keys map[string]naiveKey) {
	n.revision++
	n.versions = append(n.versions, keys)
}

func (n *naiveStore) steps(t *history.Transaction) naiveAnswer {
	a := naiveAnswer{succeeded: true}
	now := n.versions[n.revision]
	for _, c := range t.Compares {
		a.succeeded = a.succeeded && naiveCompare(now, c)
	}
	ran := t.Else
	if a.succeeded {
		ran = t.Then
	}
	for _, s := range ran {
		if s.Kind == history.Put && s.Lease != 0 && !n.leases[s.Lease] {
			return naiveAnswer{refused: true}
		}
	}
	for _, s := range ran {
		if s.Revision > n.revision {
			return naiveAnswer{failure: history.FutureRevision, succeeded: a.succeeded}
		}
		if s.Revision > 0 && s.Revision < n.compacted {
			return naiveAnswer{failure: history.Compacted, succeeded: a.succeeded}
		}
	}
	keys, changed := maps.Clone(now), false
	for _, s := range ran {
		result, wrote := n.step(keys, s)
		a.results, changed = append(a.results, result), changed || wrote
	}
	if changed {
		n.write(keys)
	}
	a.revision = n.revision
	return a
}

// step runs a step on keys.
func (n *naiveStore) step(keys map[string]naiveKey, s history.Step) (r history.StepResult, changed bool) {
	switch s.Kind {
	case history.Put:
		old, there := keys[s.Key]
		if !there {
			old.create = n.revision + 1
		}
		keys[s.Key] = naiveKey{value: s.Value, mod: n.revision + 1, create: old.create, version: old.version + 1, lease: s.Lease}
		return r, true
	case history.Delete:
		for _, key := range naiveRange(keys, s) {
			delete(keys, key)
			r.Deleted++
		}
		return r, r.Deleted > 0
	}
	if s.Revision > 0 {
		keys = n.versions[s.Revision]
	}
	for _, key := range naiveRange(keys, s) {
		k := keys[key]
		r.Count++
		if !s.CountOnly && (s.Limit == 0 || int64(len(r.Pairs)) < s.Limit) {
			r.Pairs = append(r.Pairs, history.Pair{Key: key, Value: k.value, Revision: k.mod, Version: k.version})
		}
	}
	return r, false
}

// naiveRange returns the keys that a step concerns, in order.
func naiveRange(keys map[string]naiveKey, s history.Step) []string {
	var in []string
	for key := range keys {
		if s.End == "" && key == s.Key || s.End != "" && key >= s.Key && (key < s.End || s.End == history.AllKeys) {
			in = append(in, key)
		}
	}
	slices.Sort(in)
	return in
}

func naiveCompare(keys map[string]naiveKey, c history.Compare) bool {
	k, there := keys[c.Key]
	found := map[history.Target]int64{history.ModRevision: k.mod, history.CreateRevision: k.create, history.Version: k.version, history.KeyLease: k.lease}
	order := 0
	if c.Target == history.KeyValue {
		if !there {
			return false
		}
		order = strings.Compare(k.value, c.Value)
	} else if found[c.Target] != c.Number {
		order = 1
		if found[c.Target] < c.Number {
			order = -1
		}
	}
	return map[history.Relation]bool{history.Equal: order == 0, history.NotEqual: order != 0, history.Less: order < 0, history.Greater: order > 0}[c.Relation]
}

// fits carries out an operation and says whether the oracle answers as the operation tells.
func (n *naiveStore) fits(o *history.Operation) bool {
	t := o.Transaction
	a := n.do(t)
	switch {
	case o.Outcome == history.Unknown:
		return true
	case !t.Answered:
		return o.Revision == 0 || t.Kind == history.Compact || o.Revision == uint64(n.revision)
	case a.refused || a.failure != t.Failure:
		return false
	case t.Failure != history.NoFailure:
		return o.Revision == 0 || t.Kind == history.Compact || o.Revision == uint64(n.revision)
	case t.Kind == history.Steps && (a.succeeded != t.Succeeded || len(a.results) != len(t.Results)):
		return false
	case t.Kind == history.Steps && len(a.results) > 0 && !reflect.DeepEqual(a.results, t.Results):
		return false
	}
	return o.Revision == 0 || a.revision == 0 || o.Revision == uint64(a.revision)
}

// bruteForce tries every order.
func bruteForce(ops []Op) bool {
	return bruteForceFrom(newNaiveStore(), ops, make([]bool, len(ops)))
}

func bruteForceFrom(n *naiveStore, ops []Op, used []bool) bool {
	left, deadline := false, history.Forever
	for i, o := range ops {
		if !used[i] && o.Outcome != history.Unknown {
			left, deadline = true, min(deadline, o.Return)
		}
	}
	if !left {
		return true
	}
	for i, o := range ops {
		if used[i] || o.Invoke > deadline {
			continue
		}
		next := n.clone()
		if !next.fits(o.Operation) {
			continue
		}
		used[i] = true
		if bruteForceFrom(next, ops, used) {
			return true
		}
		used[i] = false
	}
	return false
}

// describe lists operations for a failure's message.
func describe(ops []Op) string {
	var b strings.Builder
	for i, o := range ops {
		fmt.Fprintf(&b, "%3d [%d, %d] revision %d: %s\n", i, o.Invoke, o.Return, o.Revision, o)
	}
	return b.String()
}
