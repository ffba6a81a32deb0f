package history

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransactionReadsAloud(t *testing.T) {
	get, put := Step{Kind: Get, Key: "/a"}, Step{Kind: Put, Key: "/a", Value: "5"}
	pair := func(key, value string) Pair { return Pair{Key: key, Value: value, Revision: 7} }
	one := StepResult{Pairs: []Pair{pair("/a", "5")}, Count: 1}
	many := StepResult{Pairs: []Pair{pair("/a", "1"), pair("/b", "2"), pair("/c", "3"), pair("/d", "4")}, Count: 9}
	at := func(target Target, relation Relation, number int64) Compare {
		return Compare{Key: "/a", Target: target, Relation: relation, Number: number}
	}
	answered := func(x Transaction, succeeded bool, results ...StepResult) Transaction {
		x.Answered, x.Succeeded, x.Results = true, succeeded, results
		return x
	}
	plain := func(s Step) Transaction { return Transaction{Kind: Steps, Then: []Step{s}} }
	choice := Transaction{Kind: Steps, Compares: []Compare{at(ModRevision, Equal, 7)}, Then: []Step{put}, Else: []Step{get}}
	for _, c := range []struct {
		x            Transaction
		call, result string
	}{
		{answered(choice, true, StepResult{}), "txn: if /a is at revision 7: put /a=5 else get /a", "done"},
		{answered(choice, false, one), "txn: if /a is at revision 7: put /a=5 else get /a", "condition failed: /a=5 at revision 7"},
		{answered(plain(get), true, one), "get /a", "/a=5 at revision 7"},
		{answered(plain(get), true, StepResult{}), "get /a", "/a absent"},
		{answered(plain(put), true, StepResult{}), "put /a=5", "done"},
		{plain(Step{Kind: Put, Key: "/a", Value: "5", Lease: 3}), "put /a=5 with lease 3", "done, answer unknown"},
		{answered(plain(Step{Kind: Delete, Key: "/a"}), true, StepResult{Deleted: 1}), "delete /a", "1 deleted"},
		{answered(plain(Step{Kind: Get, Key: "/", End: "0", Limit: 10, Revision: 7}), true, many), "range /*, at most 10, at revision 7", "/a=1 at revision 7, /b=2 at revision 7, /c=3 at revision 7, … (4 of 9 keys)"},
		{answered(plain(Step{Kind: Get, Key: "/a", End: "/c"}), true, StepResult{}), "range /a to /c", "no keys"},
		{answered(plain(Step{Kind: Get, Key: "/a", End: AllKeys, CountOnly: true}), true, StepResult{Count: 4}), "count from /a", "4 keys"},
		{answered(Transaction{Kind: Steps, Compares: []Compare{at(Version, Equal, 0), at(KeyLease, NotEqual, 0)}}, false), "txn: if /a is absent, /a's lease ≠ 0: nothing", "condition failed"},
		{answered(Transaction{Kind: Steps, Compares: []Compare{{Key: "/a", Target: KeyValue, Relation: Greater, Value: "x y"}}, Then: []Step{get, put}}, true, one, StepResult{}),
			`txn: if /a's value > "x y": get /a, put /a=5`, "/a=5 at revision 7"},
		{answered(Transaction{Kind: GrantLease, Lease: 3}, false), "grant lease 3", "done"},
		{Transaction{Kind: GrantLease}, "grant lease", "done, answer unknown"},
		{answered(Transaction{Kind: RevokeLease, Lease: 3}, false), "revoke lease 3", "done"},
		{Transaction{Kind: Compact, Revision: 9, Answered: true, Failure: Compacted}, "compact to revision 9", "compacted"},
		{Transaction{Kind: Compact, Revision: 9, Answered: true, Failure: FutureRevision}, "compact to revision 9", "revision not written yet"},
		{answered(Transaction{Kind: Defragment}, false), "defragment", "done"},
	} {
		require.Equal(t, c.call, c.x.Call())
		require.Equal(t, c.result, c.x.Result(), c.call)
	}
}

func TestTransactionMayWrite(t *testing.T) {
	get, put := []Step{{Kind: Get}}, []Step{{Kind: Get}, {Kind: Put}}
	for _, c := range []struct {
		x    Transaction
		want bool
	}{
		{Transaction{Kind: Steps, Then: get, Else: get}, false},
		{Transaction{Kind: Steps, Then: put, Else: get}, true},
		{Transaction{Kind: Steps, Then: get, Else: put}, true},
		{Transaction{Kind: GrantLease, Lease: 1}, true},
		{Transaction{Kind: GrantLease}, false},
		{Transaction{Kind: RevokeLease}, true},
		{Transaction{Kind: Compact}, true},
		{Transaction{Kind: Defragment}, false},
	} {
		require.Equal(t, c.want, c.x.MayWrite(), c.x.Call())
	}
}

func TestPrefixEnd(t *testing.T) {
	require.Equal(t, "/pods0", PrefixEnd("/pods/"))
	require.Equal(t, "b", PrefixEnd("a\xff"))
	require.Equal(t, AllKeys, PrefixEnd("\xff\xff"))
	require.Equal(t, AllKeys, PrefixEnd(""))
}
