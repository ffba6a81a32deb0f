package readers

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// etcdRunOf reads a run from testdata.
func etcdRunOf(t *testing.T, name string) *history.History {
	t.Helper()
	fsys := os.DirFS("testdata/etcd/" + name)
	names, err := EtcdRunFiles(fsys)
	require.NoError(t, err)
	h, err := ReadEtcdRun(fsys, names)
	require.NoError(t, err)
	return h
}

// told lists a history's operations as people read them.
func told(h *history.History) string {
	var b strings.Builder
	for i := range h.Operations {
		o := &h.Operations[i]
		b.WriteString(h.ClientName(o.Client) + " " + o.Key + ": " + o.String() + "\n")
	}
	return b.String()
}

// storeWitness says whether the operations of a run of transactions have a witness.
func storeWitness(t *testing.T, h *history.History) bool {
	t.Helper()
	parts := h.Partitions()
	require.Len(t, parts, 1)
	p, err := model.PrepareStore(h, parts[0].Operations)
	require.NoError(t, err)
	_, ok := model.StoreFor(p.Ops).Witness(p.Ops)
	return ok
}

func TestEtcdSingleKeys(t *testing.T) {
	h := etcdRunOf(t, "single-keys")
	require.Equal(t, history.Contract, h.Origin.Revisions)
	require.Equal(t, "etcd", h.Origin.Store)
	require.Equal(t, `client-1/0 lamp: get → absent
client-1/0 lamp: put on → done
client-2/1 lamp: delete if at revision 2 → condition failed: it was dim
client-1/0 lamp: put dim if at revision 2 → done
client-1/0 door: put open → unknown
client-2/1 lamp: delete → done
client-2/1 lamp: delete → done: it was absent
client-2/1 lamp: get → absent
client-2/1 door: get → unknown
client-1/3 door: get → open
client-2/1 lamp: put "long value with hash 28c89e98" if at revision 0 → done
client-2/1 lamp: get → "long value with hash 28c89e98"
`, told(h))
	require.Equal(t, []history.Mark{{Kind: history.Note, From: 500, To: 600, Text: "defragment, done"}}, h.Marks)

	failed := h.Operations[2]
	require.Equal(t, history.ConditionFailed, failed.Outcome)
	require.Equal(t, []uint64{3, 3}, []uint64{failed.Revision, failed.KeyRevision})
	require.Equal(t, history.Forever, h.Operations[4].Return)
	require.Equal(t, int32(5), h.Operations[4].Line)
	require.Equal(t, []history.Existed{history.Yes, history.No}, []history.Existed{h.Operations[5].Existed, h.Operations[6].Existed})
	for _, part := range h.Partitions() {
		p, err := model.Prepare(h, part.Operations)
		require.NoError(t, err)
		order := make([]int32, len(p.Ops))
		for i := range order {
			order[i] = int32(i)
		}
		if part.Key == "lamp" {
			order[2], order[3] = 3, 2
		}
		require.NoError(t, model.Key{Contract: true}.Replay(p.Ops, order), part.Key)
	}
}

func TestEtcdSeveralKeys(t *testing.T) {
	h := etcdRunOf(t, "several-keys")
	require.Equal(t, history.Hints, h.Origin.Revisions)
	require.Equal(t, `client-2/0 all keys: txn: put /pods/a=1, get /pods/b, put /pods/b=2 → /pods/b absent
client-2/0 all keys: range /pods/*, at most 10 → /pods/a=1 at revision 2, /pods/b=2 at revision 2
client-2/0 all keys: grant lease 7587 → done
client-10/1 all keys: range /pods/*, at most 1 → /pods/a=1 at revision 2
client-2/0 all keys: put /pods/c=3 with lease 7587 → done
client-2/0 all keys: revoke lease 7587 → done
client-10/1 all keys: txn: if /pods/a is at revision 2: delete /pods/a else get /pods/a → unknown
client-10/4 all keys: range /pods/* at revision 3 → /pods/a=1 at revision 2, /pods/b=2 at revision 2, /pods/c=3 at revision 3
client-10/4 all keys: range /pods/* → /pods/b=2 at revision 2
client-10/4 all keys: defragment → done
`, told(h))
	require.True(t, storeWitness(t, h))
	require.False(t, storeWitness(t, etcdRunOf(t, "several-keys-bad")))
}

func TestEtcdNewestAndOldestLayout(t *testing.T) {
	h := etcdRunOf(t, "compaction")
	require.Equal(t, `client-1/0 all keys: put k=1 → done
client-1/0 all keys: txn: if k's version = 1: put k=2 → done
client-1/0 all keys: compact to revision 3 → done
client-1/0 all keys: compact to revision 2 → compacted
client-1/0 all keys: put k=3 → done, answer unknown
client-1/0 all keys: get k at revision 3 → k=2 at revision 3
client-1/0 all keys: get k → k=3 at revision 4
`, told(h))
	require.True(t, storeWitness(t, h))

	h = etcdRunOf(t, "flat")
	require.Equal(t, `client-1/0 all keys: put k1=1 → done
client-1/0 all keys: put k2=2 → unknown
client-1/1 all keys: range k*, at most 1 → k1=1 at revision 2
client-1/1 all keys: delete k1 → done, answer unknown
client-1/1 all keys: range k* → k2=2 at revision 3
`, told(h))
	require.True(t, storeWitness(t, h))
}

// TestEtcdOneFile reads a single file, as from standard input.
func TestEtcdOneFile(t *testing.T) {
	f, err := os.Open("testdata/etcd/single-keys/client-1/operations.json")
	require.NoError(t, err)
	defer f.Close()
	h, err := readEtcd(f, Options{File: "-"})
	require.NoError(t, err)
	require.Len(t, h.Operations, 5)
	require.Equal(t, "-", h.Origin.File)
	require.Equal(t, "client 0", h.ClientName(0))
}

// etcdLine is an operation to be varied.
const etcdLine = `{"ClientId":1,"Input":{"Type":"txn","Txn":{"Conditions":[{"Key":"a","ExpectedRevision":0}],` +
	`"OperationsOnSuccess":[{"Type":"put-operation","Put":{"Key":"a","Value":{"Value":"1"}}}],"OperationsOnFailure":[]}},` +
	`"Call":10,"Output":{"Txn":{"Failure":false,"Results":[{}]},"Revision":2,"Error":""},"Return":20}`

// TestEtcdConditionMadeByOthers checks that a condition on a revision that no answer claims is left to the store's model: here a
// client learned from elsewhere that the lost put had made revision 2.
func TestEtcdConditionMadeByOthers(t *testing.T) {
	lost := strings.Replace(etcdLine, `"Error":""`, `"Error":"timeout"`, 1)
	next := strings.NewReplacer(`"ExpectedRevision":0`, `"ExpectedRevision":2`, `"Revision":2,`, `"Revision":3,`, `"Call":10`, `"Call":30`, `"Return":20`, `"Return":40`).Replace(etcdLine)
	h, err := readEtcd(strings.NewReader(lost+"\n"+next), Options{})
	require.NoError(t, err)
	require.Equal(t, history.Hints, h.Origin.Revisions)
	require.True(t, storeWitness(t, h))

	known := strings.NewReplacer(`"Error":"timeout"`, `"Error":""`).Replace(lost)
	h, err = readEtcd(strings.NewReader(known+"\n"+next), Options{})
	require.NoError(t, err)
	require.Equal(t, history.Contract, h.Origin.Revisions)
}

func TestEtcdClientsStayApart(t *testing.T) {
	fsys := fstest.MapFS{
		"client-1/operations.json":  {Data: []byte(etcdLine)},
		"client-2/operations.json":  {Data: []byte(etcdLine + etcdLine)},
		"client-11/operations.json": {Data: []byte(etcdLine)},
		"client-1/watch.json":       {Data: []byte("{")},
		"traffic.json":              {Data: []byte("{}")},
	}
	names, err := EtcdRunFiles(fsys)
	require.NoError(t, err)
	require.Equal(t, []string{"client-1/operations.json", "client-2/operations.json", "client-11/operations.json"}, names)
	h, err := ReadEtcdRun(fsys, names)
	require.NoError(t, err)
	clients := map[string]int{}
	for i := range h.Operations {
		clients[h.ClientName(h.Operations[i].Client)]++
	}
	require.Equal(t, map[string]int{"client-1/1": 1, "client-2/1": 2, "client-11/1": 1}, clients)
}

// TestEtcdRefuses checks that what the reader does not understand is an error with its place.
func TestEtcdRefuses(t *testing.T) {
	vary := func(old, new string) string {
		varied := strings.Replace(etcdLine, old, new, 1)
		require.NotEqual(t, etcdLine, varied, old)
		return varied
	}
	for _, c := range []struct {
		line, reason string
	}{
		{vary(`"Call":10`, `"Call":10,"Colour":1`), `unknown field "Colour"`},
		{vary(`"Revision":2`, `"Revision":2,"Term":3`), `unknown field "Term"`},
		{vary(`"ExpectedRevision":0`, `"ExpectedCreate":0`), `unknown field "ExpectedCreate"`},
		{vary(`"Type":"txn"`, `"Type":"watch"`), `a request of unknown type "watch"`},
		{vary(`"Type":"txn"`, `"Type":"range"`), `a request of type "range" without its part`},
		{vary(`"put-operation"`, `"append-operation"`), `an operation of unknown type "append-operation" in a transaction`},
		{vary(`"Call":10,`, ``), `not an operation: ClientId, Input, Call, Output or Return is missing`},
		{vary(`"Return":20`, `"Return":9`), `it returns at 9, before its call at 10`},
		{vary(`"Txn":{"Failure":false,"Results":[{}]}`, `"Txn":null`), `a response without error and without the part for a request of type "txn"`},
		{vary(`[{}]`, `[{},{}]`), `a response with 2 results for 1 operations`},
		{vary(`"Revision":2,`, `"Revision":-2,`), `a response with revision -2`},
		{vary(`"Error":""`, `"ClientError":"no space"`), `an unknown ClientError "no space"`},
		{vary(`"ExpectedRevision":0`, `"ExpectedRevision":1,"ExpectedVersion":1`), `a condition on a that expects two things`},
		{vary(`"ClientId":1`, `"ClientId":9999999999`), `ClientId 9999999999 is out of range`},
		{vary(`"ClientId":1`, `"ClientId":"one"`), `ClientId holds a string where int64 belongs`},
		{etcdLine[:100], `the record breaks off`},
		{`hello`, `invalid character 'h' looking for beginning of value`},
		{`[]`, `holds a array`},
	} {
		_, err := readEtcd(strings.NewReader(etcdLine+"\n\n"+c.line), Options{File: "x.json"})
		var bad *Error
		require.ErrorAs(t, err, &bad, c.line)
		require.Equal(t, []any{"x.json", 3}, []any{bad.File, bad.Line}, c.reason)
		require.Contains(t, bad.Reason, c.reason)
	}
	_, err := readEtcd(strings.NewReader("\n"), Options{File: "x.json"})
	require.EqualError(t, err, "x.json: it holds no operation")
	_, err = readEtcd(strings.NewReader(etcdLine), Options{File: "x.json", Model: "register"})
	require.ErrorContains(t, err, "its model is kv")
	_, err = ReadEtcdRun(fstest.MapFS{"client-1/operations.json": {Data: []byte("\n{")}}, []string{"client-1/operations.json"})
	require.EqualError(t, err, "client-1/operations.json:2: the record breaks off")
}

// TestEtcdPrettyPrinted checks lines of records that span several.
func TestEtcdPrettyPrinted(t *testing.T) {
	pretty := strings.ReplaceAll(etcdLine, ",", ",\n")
	n := strings.Count(pretty, "\n")
	h, err := readEtcd(strings.NewReader(pretty+pretty+"\n"+etcdLine), Options{})
	require.NoError(t, err)
	require.Equal(t, []int32{1, int32(1 + n), int32(2 + 2*n)}, []int32{h.Operations[0].Line, h.Operations[1].Line, h.Operations[2].Line})
}

// FuzzEtcd checks that no input makes the reader panic, and that an error has a place.
func FuzzEtcd(f *testing.F) {
	f.Add([]byte(etcdLine))
	for _, name := range []string{"single-keys/client-2", "several-keys/client-10", "compaction/client-1", "flat/client-1"} {
		data, err := os.ReadFile("testdata/etcd/" + name + "/operations.json")
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readEtcd(strings.NewReader(string(data)), Options{File: "f"})
		if err != nil {
			var bad *Error
			require.ErrorAs(t, err, &bad)
			return
		}
		require.NotEmpty(t, h.Operations)
		_ = told(h)
	})
}

// TestEtcdWhatIsPlain checks that a request is only taken for one on a single key if that says the same.
func TestEtcdWhatIsPlain(t *testing.T) {
	get := func(fields string) string {
		return `{"ClientId":1,"Input":{"Type":"range","Range":{"Start":"a"` + fields + `}},"Call":10,"Output":{"Range":{"KVs":[],"Count":0},"Revision":2},"Return":20}`
	}
	vary := func(old, new string) string { return strings.Replace(etcdLine, old, new, 1) }
	for line, plain := range map[string]bool{
		etcdLine:                        true,
		get(``):                         true,
		get(`,"Revision":1`):            false,
		get(`,"Limit":1`):               false,
		get(`,"End":"b"`):               false,
		vary(`[{}]`, `[{"Deleted":1}]`): false,
		vary(`"Value":{"Value":"1"}`, `"Value":{"Value":"1"},"LeaseID":7`):                                           false,
		vary(`"Conditions":[{"Key":"a"`, `"Conditions":[{"Key":"b"`):                                                 false,
		vary(`"ExpectedRevision":0`, `"ExpectedVersion":1`):                                                          false,
		vary(`"ExpectedRevision":0`, `"ExpectedValue":{"Value":"x"}`):                                                true,
		vary(`"ExpectedRevision":0`, `"ExpectedValue":{}`):                                                           true,
		vary(`"OperationsOnFailure":[]`, `"OperationsOnFailure":[{"Type":"range-operation","Range":{"Start":"a"}}]`): true,
		vary(`"OperationsOnFailure":[]`, `"OperationsOnFailure":[{"Type":"range-operation","Range":{"Start":"b"}}]`): false,
		vary(`"OperationsOnFailure":[]`, `"OperationsOnFailure":[{"Type":"delete-operation","Delete":{"Key":"a"}}]`): false,
	} {
		h, err := readEtcd(strings.NewReader(line), Options{})
		require.NoError(t, err, line)
		require.Equal(t, plain, h.Operations[0].Kind != history.Transact, line)
		require.Equal(t, plain, h.Origin.Revisions == history.Contract, line)
	}
}
