package zones

import (
	"os"
	"strconv"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// The enumeration is complete for its alphabet, up to renaming:
//
// A verdict depends on the times only through the relation "a returned before b was invoked", which is an interval order. Each
// interval order of n operations has exactly one representation by closed intervals [l, r] of integers 0 <= l <= r < m in which
// every integer below m is somebody's l and somebody's r (Greenough 1976; Fishburn 1985). orders lists these: all
// multisets of n such intervals, for every m up to n. Their number is known (Bousquet-Mélou and others 2010): 1, 2, 5, 15, 53,
// which the test verifies. In this form the intervals touch wherever they can, so ties are part of it. Each history is also
// checked in the form in which no two times are equal.
//
// An operation of unknown outcome precedes nothing, so that it is one with r = m-1; its return is then Forever.
//
// Values only matter by who wrote them. Operation i writes value i, so that distinct values are the premise, and a result or
// condition refers to the initial value, to a writer or to nobody. Operations with equal intervals are exchangeable, so
// that it is enough to have their kinds in ascending order. Clients do not matter, so that histories of any number of them
// are covered.

// interval is an operation's time in the canonical form.
type interval struct{ l, r int }

// orders returns all interval orders of n operations in the canonical form.
func orders(n int) [][]interval {
	var all [][]interval
	for m := 1; m <= n; m++ {
		var chosen []interval
		var choose func(from int)
		choose = func(from int) {
			if len(chosen) == n {
				if tight(chosen, m) {
					all = append(all, append([]interval(nil), chosen...))
				}
				return
			}
			for code := from; code < m*m; code++ {
				if l, r := code/m, code%m; l <= r {
					chosen = append(chosen, interval{l, r})
					choose(code)
					chosen = chosen[:len(chosen)-1]
				}
			}
		}
		choose(0)
	}
	return all
}

// tight says that every integer below m begins and ends an interval.
func tight(intervals []interval, m int) bool {
	var begins, ends uint
	for _, i := range intervals {
		begins |= 1 << i.l
		ends |= 1 << i.r
	}
	return begins == 1<<m-1 && ends == 1<<m-1
}

// deed is a kind of operation in the enumeration.
type deed struct {
	name   string
	puts   bool // it writes a value
	refers bool // it has a value to refer to
	// make fills in the operation; ref is the value that it refers to and revision the one that this was written at.
	make func(o *history.Operation, ref history.Value, revision uint64)
}

func (d deed) String() string { return d.name }

func put(outcome history.Outcome, kind history.ConditionKind) func(*history.Operation, history.Value, uint64) {
	return func(o *history.Operation, ref history.Value, revision uint64) {
		o.Kind, o.Outcome = history.Put, outcome
		o.Condition = history.Condition{Kind: kind}
		switch kind {
		case history.ValueEquals:
			o.Condition.Value = ref
		case history.RevisionEquals:
			o.Condition.Revision = revision
		}
	}
}

func remove(outcome history.Outcome, existed history.Existed, kind history.ConditionKind) func(*history.Operation, history.Value, uint64) {
	return func(o *history.Operation, ref history.Value, revision uint64) {
		put(outcome, kind)(o, ref, revision)
		o.Kind, o.Existed = history.Delete, existed
	}
}

func failed(kind history.ConditionKind) func(*history.Operation, history.Value, uint64) {
	return func(o *history.Operation, ref history.Value, _ uint64) {
		o.Kind, o.Outcome, o.Observed, o.HasObserved = history.Put, history.ConditionFailed, ref, true
		o.Condition = history.Condition{Kind: kind, Value: history.Of("never written")}
		if kind == history.RevisionEquals {
			o.Condition.Revision = revisionOf(0) // of operation 0, if that writes
		}
	}
}

func get(o *history.Operation, ref history.Value, _ uint64) {
	o.Kind, o.Outcome, o.Observed = history.Get, history.Done, ref
}

func getAbsent(o *history.Operation, _ history.Value, _ uint64) {
	o.Kind, o.Outcome = history.Get, history.Done
}

// revisionOf is the revision of operation i's write: distinct, and not in any order of time.
func revisionOf(i int) uint64 { return uint64(7 + 5*i%11) }

// basic has the conditional and unconditional writes and reads of a register.
var basic = []deed{
	{"get", false, true, get},
	{"put", true, false, put(history.Done, history.Always)},
	{"unknown put", true, false, put(history.Unknown, history.Always)},
	{"cas", true, true, put(history.Done, history.ValueEquals)},
	{"unknown cas", true, true, put(history.Unknown, history.ValueEquals)},
}

// absent has deletes.
var absent = []deed{
	{"get", false, true, get},
	{"get absent", false, false, getAbsent},
	{"put", true, false, put(history.Done, history.Always)},
	{"unknown put", true, false, put(history.Unknown, history.Always)},
	{"put if absent", true, false, put(history.Done, history.MustNotExist)},
	{"delete", false, false, remove(history.Done, history.Yes, history.Always)},
	{"delete perhaps nothing", false, false, remove(history.Done, history.NotSaid, history.Always)},
	{"unknown delete", false, false, remove(history.Unknown, history.NotSaid, history.Always)},
	{"cad", false, true, remove(history.Done, history.NotSaid, history.ValueEquals)},
}

// full has everything that the tier takes.
var full = append(append([]deed{}, absent...), []deed{
	{"cas", true, true, put(history.Done, history.ValueEquals)},
	{"unknown cas", true, true, put(history.Unknown, history.ValueEquals)},
	{"put at revision", true, true, put(history.Done, history.RevisionEquals)},
	{"unknown put if absent", true, false, put(history.Unknown, history.MustNotExist)},
	{"put if present", true, false, put(history.Done, history.MustExist)},
	{"unknown put if present", true, false, put(history.Unknown, history.MustExist)},
	{"delete nothing", false, false, remove(history.Done, history.No, history.Always)},
	{"unknown cad", false, true, remove(history.Unknown, history.NotSaid, history.ValueEquals)},
	{"cad said", false, true, remove(history.Done, history.Yes, history.ValueEquals)},
	{"failed put if absent", false, true, failed(history.MustNotExist)},
	{"failed put if present", false, true, failed(history.MustExist)},
	{"failed cas", false, true, failed(history.ValueEquals)},
	{"failed put at revision", false, true, failed(history.RevisionEquals)},
}...)

// The references of an operation that are no operation.
const (
	toInitial = -1
	toNobody  = -2
)

// enumeration walks through all histories.
type enumeration struct {
	t       *testing.T
	oracle  oracle
	spec    model.Key
	deeds   []deed
	phantom bool // results may refer to values that nobody wrote
	always  bool // the tier must decide every history

	order      []interval
	kinds      []int
	refs       []int
	operations []history.Operation
	ops        []model.Op
	apart      []history.Operation // the same with all times distinct
	apartOps   []model.Op

	histories, decided, violations, porcupine int
}

func (e *enumeration) run(n int) {
	for _, order := range orders(n) {
		e.order = order
		e.kinds, e.refs = make([]int, n), make([]int, n)
		e.operations, e.apart = make([]history.Operation, n), make([]history.Operation, n)
		e.ops, e.apartOps = make([]model.Op, n), make([]model.Op, n)
		e.chooseKind(0)
	}
}

func (e *enumeration) chooseKind(i int) {
	if i == len(e.order) {
		e.chooseRef(0)
		return
	}
	first := 0
	if i > 0 && e.order[i] == e.order[i-1] {
		first = e.kinds[i-1]
	}
	for kind := first; kind < len(e.deeds); kind++ {
		e.kinds[i] = kind
		if !e.mayBeUnknown(i) && e.unknown(kind) {
			continue
		}
		e.chooseKind(i + 1)
	}
}

// mayBeUnknown says that nothing begins after an operation.
func (e *enumeration) mayBeUnknown(i int) bool {
	for _, other := range e.order {
		if other.l > e.order[i].r {
			return false
		}
	}
	return true
}

func (e *enumeration) unknown(kind int) bool {
	var o history.Operation
	e.deeds[kind].make(&o, history.Absent, 0)
	return o.Outcome == history.Unknown
}

func (e *enumeration) chooseRef(i int) {
	if i == len(e.order) {
		e.check()
		return
	}
	if !e.deeds[e.kinds[i]].refers {
		e.chooseRef(i + 1)
		return
	}
	lowest := toInitial
	if e.phantom {
		lowest = toNobody
	}
	for ref := lowest; ref < len(e.order); ref++ {
		if ref >= 0 && !e.deeds[e.kinds[ref]].puts {
			continue
		}
		e.refs[i] = ref
		e.chooseRef(i + 1)
	}
}

// value returns what a reference stands for.
func (e *enumeration) value(ref int) (history.Value, uint64) {
	switch ref {
	case toInitial:
		return e.spec.Initial, 0
	case toNobody:
		return history.Of("nobody's"), 1
	}
	return history.Of(strconv.Itoa(ref)), revisionOf(ref)
}

func (e *enumeration) build() {
	for i, kind := range e.kinds {
		o := &e.operations[i]
		*o = history.Operation{Invoke: int64(e.order[i].l), Return: int64(e.order[i].r), Value: history.Of(strconv.Itoa(i))}
		value, revision := e.value(e.refs[i])
		e.deeds[kind].make(o, value, revision)
		a := &e.apart[i]
		*a = *o
		// Invocations first, then returns: whoever touched is still concurrent.
		n := int64(len(e.order))
		a.Invoke, a.Return = o.Invoke*2*n+int64(i), o.Return*2*n+n+int64(i)
		e.ops[i], e.apartOps[i] = model.Op{Operation: o}, model.Op{Operation: a}
		if e.deeds[kind].puts {
			e.ops[i].Wrote, e.apartOps[i].Wrote = revisionOf(i), revisionOf(i)
		}
		if o.Outcome == history.Unknown {
			o.Return, a.Return = history.Forever, history.Forever
		}
	}
}

func (e *enumeration) check() {
	e.build()
	e.histories++
	r := e.oracle.mustJudge(e.t, e.spec, e.ops)
	apart := Check(e.spec, e.apartOps, true)
	if r.Linearizable != apart.Linearizable && r.Applies && apart.Applies {
		e.t.Fatalf("ties make a difference:\n%+v\n%s\n%+v\n%s", r, text(e.spec, e.ops), apart, text(e.spec, e.apartOps))
	}
	if apart.Linearizable {
		if err := e.spec.Replay(e.apartOps, apart.Order); err != nil {
			e.t.Fatalf("%v\n%s", err, text(e.spec, e.apartOps))
		}
	}
	if !r.Applies {
		if e.always {
			e.t.Fatalf("undecided: %s\n%s", r.Why, text(e.spec, e.ops))
		}
		return
	}
	e.decided++
	if !r.Linearizable {
		e.violations++
	}
	if e.histories%porcupineEvery == 0 {
		e.porcupine++
		if got := byPorcupine(e.spec, e.ops); got != r.Linearizable {
			e.t.Fatalf("porcupine says %v\n%+v\n%s", got, r, text(e.spec, e.ops))
		}
	}
}

// porcupineEvery is how many histories there are for each that porcupine checks too.
const porcupineEvery = 20

func TestOrdersAreTheKnownNumber(t *testing.T) {
	for n, want := range []int{1, 2, 5, 15, 53, 217} {
		if got := len(orders(n + 1)); got != want {
			t.Errorf("%d interval orders of %d operations, want %d", got, n+1, want)
		}
	}
}

// TestAllSmallHistories compares every small history with the oracle. LOCKSTEP_CHECK_OPERATIONS sets the largest number of
// operations with the basic alphabet; those with deletes have one less, those with everything two less.
func TestAllSmallHistories(t *testing.T) {
	size := 4
	if testing.Short() || slowdown > 1 {
		size = 3
	}
	if set := os.Getenv("LOCKSTEP_CHECK_OPERATIONS"); set != "" {
		var err error
		if size, err = strconv.Atoi(set); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		deeds   []deed
		size    int
		initial history.Value
		always  bool
		phantom bool
	}{
		{"basic", basic, size, history.Absent, true, false},
		{"basic with phantoms", basic, size - 1, history.Of("first"), true, true},
		{"deletes", absent, size - 1, history.Absent, false, false},
		{"deletes of a value", absent, size - 1, history.Of("first"), false, false},
		{"everything", full, size - 2, history.Absent, false, true},
		{"everything on a value", full, size - 2, history.Of("first"), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; n <= c.size; n++ {
				e := enumeration{t: t, spec: model.Key{Initial: c.initial}, deeds: c.deeds, always: c.always, phantom: c.phantom}
				e.run(n)
				t.Logf("%d operations: %d histories; decided %d, of them %d violations; %d by porcupine too", n, e.histories, e.decided, e.violations, e.porcupine)
			}
		})
	}
}
