package readers

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// The shapes of an operations.json of etcd's robustness tests. The tests' code has changed over the years, and so have its
// files; the fields of all years that were found stand here side by side. Any other field is refused.

// etcdRecord is one operation as porcupine holds it.
type etcdRecord struct {
	ClientID *int64 `json:"ClientId"`
	Input    *etcdRequest
	Call     *int64
	Output   *etcdResponse
	Return   *int64
	// Metadata is for porcupine's pictures; no checker reads it.
	Metadata json.RawMessage
}

type etcdRequest struct {
	Type        string
	LeaseGrant  *etcdLease
	LeaseRevoke *etcdLease
	Range       *etcdRange
	Txn         *etcdTxn
	Defragment  *struct{}
	Compact     *etcdCompact
}

type etcdLease struct{ LeaseID int64 }

type etcdCompact struct{ Revision int64 }

// etcdRange is a range; Key and WithPrefix stand in older files for Start and End.
type etcdRange struct {
	Start, End string
	Limit      int64
	Revision   int64
	Key        string
	WithPrefix bool
}

type etcdTxn struct {
	Conditions          []etcdCondition
	OperationsOnSuccess []etcdOperation
	OperationsOnFailure []etcdOperation
}

// etcdCondition compares for equality: with the version if there is one, otherwise with the mod revision. ExpectedValue
// stands in the oldest files, where an empty one asks for an absent key.
type etcdCondition struct {
	Key              string
	ExpectedRevision int64
	ExpectedVersion  int64
	ExpectedValue    *etcdValue
}

// etcdOperation is a step; the fields after Delete stand in older files for those in Range, Put and Delete.
type etcdOperation struct {
	Type   string
	Range  etcdRange
	Put    etcdPut
	Delete struct{ Key string }

	Key        string
	WithPrefix bool
	Limit      int64
	Value      etcdValue
	LeaseID    int64
}

type etcdPut struct {
	Key     string
	Value   etcdValue
	LeaseID int64
}

// etcdValue is a value, or the hash of a long one.
type etcdValue struct {
	Value string
	Hash  uint32
}

// etcdValueBytesMax bounds the values that stand in a file as they are. Those of this length or longer are hashed, though
// not in every place: requests within a transaction hold them in full.
const etcdValueBytesMax = 20

// text returns the value, a long one as a text that no short value equals.
func (v etcdValue) text() string {
	if v.Hash == 0 && len(v.Value) >= etcdValueBytesMax {
		h := fnv.New32a()
		h.Write([]byte(v.Value)) // never fails
		v.Hash = h.Sum32()
	}
	if v.Hash == 0 {
		return v.Value
	}
	return fmt.Sprintf("long value with hash %08x", v.Hash)
}

// etcdResponse is what came back. One of Txn to Compact answers; ClientError is a definite refusal; Error says that the client
// knows nothing, as Err does in the oldest files. Persisted, and in older files PartialResponse and ResultUnknown, say that
// the request is known to have been carried out, but not what it returned.
type etcdResponse struct {
	Txn         *etcdTxnResponse
	Range       *etcdRangeResponse
	LeaseGrant  *etcdLease
	LeaseRevoke *struct{}
	Defragment  *struct{}
	Compact     *struct{}
	ClientError string
	Revision    int64

	Persisted         bool
	PersistedRevision int64
	PartialResponse   bool
	ResultUnknown     bool
	Error             string
	Err               json.RawMessage
}

type etcdTxnResponse struct {
	Failure bool
	Results []etcdResult
}

type etcdRangeResponse struct {
	KVs   []etcdPair
	Count int64
}

type etcdResult struct {
	KVs     []etcdPair
	Count   int64
	Deleted int64
}

// etcdPair is a key as it was read. Older files hold no version.
type etcdPair struct {
	Key         string
	Value       etcdValue
	ModRevision int64
	Version     int64
}

// operation returns the record as a Transact operation.
func (r *etcdRecord) operation() (history.Operation, error) {
	o := history.Operation{Kind: history.Transact, Key: etcdGroup}
	if r.ClientID == nil || r.Input == nil || r.Call == nil || r.Output == nil || r.Return == nil {
		return o, fmt.Errorf("not an operation: ClientId, Input, Call, Output or Return is missing")
	}
	if *r.ClientID < 0 || *r.ClientID > math.MaxInt32 {
		return o, fmt.Errorf("ClientId %d is out of range", *r.ClientID)
	}
	t, err := r.Input.transaction()
	if err != nil {
		return o, err
	}
	o.Client, o.Transaction = int32(*r.ClientID), t
	if err := r.Output.answer(r.Input, &o); err != nil {
		return o, err
	}
	return o, r.times(&o)
}

// times takes over the times. The file's return time of an operation without a result is made up.
func (r *etcdRecord) times(o *history.Operation) error {
	o.Invoke, o.Return = *r.Call, *r.Return
	switch {
	case o.Outcome == history.Unknown, !o.Transaction.Answered && o.Return < o.Invoke:
		o.Return = history.Forever
	case o.Return < o.Invoke:
		return fmt.Errorf("it returns at %d, before its call at %d", o.Return, o.Invoke)
	}
	return nil
}

// transaction returns what a request asks for.
func (r *etcdRequest) transaction() (*history.Transaction, error) {
	missing := fmt.Errorf("a request of type %q without its part", r.Type)
	switch r.Type {
	case "range":
		if r.Range == nil {
			return nil, missing
		}
		step, err := r.Range.step()
		return &history.Transaction{Kind: history.Steps, Then: []history.Step{step}}, err
	case "txn":
		if r.Txn == nil {
			return nil, missing
		}
		return r.Txn.transaction()
	case "leaseGrant":
		if r.LeaseGrant == nil {
			return nil, missing
		}
		return &history.Transaction{Kind: history.GrantLease, Lease: r.LeaseGrant.LeaseID}, nil
	case "leaseRevoke":
		if r.LeaseRevoke == nil {
			return nil, missing
		}
		return &history.Transaction{Kind: history.RevokeLease, Lease: r.LeaseRevoke.LeaseID}, nil
	case "compact":
		if r.Compact == nil {
			return nil, missing
		}
		return &history.Transaction{Kind: history.Compact, Revision: r.Compact.Revision}, nil
	case "defragment":
		return &history.Transaction{Kind: history.Defragment}, nil
	}
	return nil, fmt.Errorf("a request of unknown type %q", r.Type)
}

// step returns a range as a step.
func (r *etcdRange) step() (history.Step, error) {
	s := history.Step{Kind: history.Get, Key: r.Start, End: r.End, Limit: r.Limit, Revision: max(0, r.Revision)}
	if r.Key == "" && !r.WithPrefix {
		return s, nil
	}
	if r.Start != "" || r.End != "" {
		return s, fmt.Errorf("a range with Key or WithPrefix as well as Start or End")
	}
	s.Key = r.Key
	if r.WithPrefix {
		s.End = history.PrefixEnd(r.Key)
	}
	if s.Key == "" {
		s.Key = history.AllKeys // the smallest key there can be
	}
	return s, nil
}

// transaction returns comparisons and steps.
func (x *etcdTxn) transaction() (*history.Transaction, error) {
	t := &history.Transaction{Kind: history.Steps}
	for i := range x.Conditions {
		c, err := x.Conditions[i].compare()
		if err != nil {
			return nil, err
		}
		t.Compares = append(t.Compares, c)
	}
	var err error
	if t.Then, err = etcdSteps(x.OperationsOnSuccess); err != nil {
		return nil, err
	}
	t.Else, err = etcdSteps(x.OperationsOnFailure)
	return t, err
}

// compare returns a condition as a comparison.
func (c *etcdCondition) compare() (history.Compare, error) {
	compare := history.Compare{Key: c.Key, Relation: history.Equal}
	switch {
	case c.ExpectedValue != nil && (c.ExpectedRevision != 0 || c.ExpectedVersion != 0), c.ExpectedRevision != 0 && c.ExpectedVersion != 0:
		return compare, fmt.Errorf("a condition on %s that expects two things", history.Text(c.Key))
	case c.ExpectedValue != nil && *c.ExpectedValue == etcdValue{}:
		compare.Target = history.CreateRevision
	case c.ExpectedValue != nil:
		compare.Target, compare.Value = history.KeyValue, c.ExpectedValue.text()
	case c.ExpectedVersion != 0:
		compare.Target, compare.Number = history.Version, c.ExpectedVersion
	default:
		compare.Target, compare.Number = history.ModRevision, c.ExpectedRevision
	}
	return compare, nil
}

// etcdSteps returns operations as steps.
func etcdSteps(operations []etcdOperation) ([]history.Step, error) {
	var steps []history.Step
	for i := range operations {
		s, err := operations[i].step()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// step returns an operation as a step.
func (o *etcdOperation) step() (history.Step, error) {
	switch o.Type {
	case "range-operation":
		return o.Range.step()
	case "put-operation":
		return history.Step{Kind: history.Put, Key: o.Put.Key, Value: o.Put.Value.text(), Lease: o.Put.LeaseID}, nil
	case "delete-operation":
		return history.Step{Kind: history.Delete, Key: o.Delete.Key}, nil
	case "range":
		r := etcdRange{Key: o.Key, WithPrefix: o.WithPrefix, Limit: o.Limit}
		return r.step()
	case "put":
		return history.Step{Kind: history.Put, Key: o.Key, Value: o.Value.text(), Lease: o.LeaseID}, nil
	case "delete":
		return history.Step{Kind: history.Delete, Key: o.Key}, nil
	}
	return history.Step{}, fmt.Errorf("an operation of unknown type %q in a transaction", o.Type)
}

// answer takes over outcome, result and revision.
func (r *etcdResponse) answer(request *etcdRequest, o *history.Operation) error {
	revision := r.Revision
	switch {
	case r.Persisted:
		revision = r.PersistedRevision
		o.Outcome = history.Done
	case r.Error != "" || len(r.Err) > 0 && string(r.Err) != "null":
		return nil // unknown, and whatever else the response holds is no result
	case r.PartialResponse || r.ResultUnknown:
		o.Outcome = history.Done
	default:
		o.Outcome = history.Done
		o.Transaction.Answered = true
		if err := r.result(request, o.Transaction); err != nil {
			return err
		}
	}
	if o.Transaction.Kind == history.Compact || o.Transaction.Kind == history.Defragment {
		revision = 0 // of the node that answered, in no order with others
	}
	if revision < 0 {
		return fmt.Errorf("a response with revision %d", revision)
	}
	o.Revision = uint64(revision)
	return nil
}

// result takes over what an answered request returned.
func (r *etcdResponse) result(request *etcdRequest, t *history.Transaction) error {
	if r.ClientError != "" {
		return r.failure(t)
	}
	var there bool
	switch request.Type {
	case "range":
		if there = r.Range != nil; there {
			t.Succeeded = true
			t.Results = []history.StepResult{{Pairs: etcdPairs(r.Range.KVs), Count: r.Range.Count}}
		}
	case "txn":
		if there = r.Txn != nil; there {
			r.Txn.result(t)
		}
	case "leaseGrant":
		if there = r.LeaseGrant != nil; there && t.Lease == 0 {
			t.Lease = r.LeaseGrant.LeaseID
		}
	case "leaseRevoke":
		there = r.LeaseRevoke != nil
	case "compact":
		there = r.Compact != nil
	case "defragment":
		there = r.Defragment != nil
	}
	if !there {
		return fmt.Errorf("a response without error and without the part for a request of type %q", request.Type)
	}
	if ran := t.Ran(); len(t.Results) != len(ran) {
		return fmt.Errorf("a response with %d results for %d operations", len(t.Results), len(ran))
	}
	return nil
}

// failure takes over a definite refusal.
func (r *etcdResponse) failure(t *history.Transaction) error {
	switch {
	case strings.Contains(r.ClientError, "has been compacted"):
		t.Failure = history.Compacted
	case strings.Contains(r.ClientError, "future revision"):
		t.Failure = history.FutureRevision
	default:
		return fmt.Errorf("an unknown ClientError %q", r.ClientError)
	}
	return nil
}

// result takes over what a transaction returned.
func (x *etcdTxnResponse) result(t *history.Transaction) {
	t.Succeeded = !x.Failure
	for _, r := range x.Results {
		t.Results = append(t.Results, history.StepResult{Pairs: etcdPairs(r.KVs), Count: r.Count, Deleted: r.Deleted})
	}
}

// etcdPairs returns pairs.
func etcdPairs(kvs []etcdPair) []history.Pair {
	var pairs []history.Pair
	for _, kv := range kvs {
		pairs = append(pairs, history.Pair{Key: kv.Key, Value: kv.Value.text(), Revision: kv.ModRevision, Version: kv.Version})
	}
	return pairs
}
