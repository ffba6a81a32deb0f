package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// closeTimeout bounds how long Close waits for the store to forget the session.
const closeTimeout = time.Second

// Client is a connection to a cluster, safe for concurrent use. Make one with New and keep it.
type Client struct {
	config Config
	origin time.Time // of the policy's clock
	// context ends with the client, and with it streams and questions. Calls have their own.
	context context.Context
	cancel  context.CancelFunc
	closing chan struct{} // closed by Close
	running sync.WaitGroup

	mu      sync.Mutex
	policy  *policy.Client
	nodes   []*node // by the policy's numbers
	numbers map[string]int
	closed  bool
}

// New returns a client of the cluster that the addresses belong to. It does not wait for a connection: that is made by the
// first call. An error names the setting that does not fit.
func New(config Config) (*Client, error) {
	config.applyDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	var identity [8]byte
	_, _ = rand.Read(identity[:]) // never fails
	c := &Client{config: config, origin: time.Now(), closing: make(chan struct{}), numbers: map[string]int{}}
	c.context, c.cancel = context.WithCancel(context.Background())
	for _, address := range config.Addresses {
		if err := c.know(address); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	var err error
	c.policy, err = policy.New(config.policy(len(c.nodes), binary.BigEndian.Uint64(identity[:])))
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("client: %w", err)
	}
	return c, nil
}

// know makes a configured address known, once.
func (c *Client) know(address string) error {
	if _, ok := c.numbers[address]; ok {
		return nil
	}
	n, err := newNode(c, address)
	if err != nil {
		return fmt.Errorf("client: address %q: %w", address, err)
	}
	c.numbers[address] = len(c.nodes)
	c.nodes = append(c.nodes, n)
	return nil
}

// now is the policy's clock: monotonic nanoseconds since New.
func (c *Client) now() int64 { return int64(time.Since(c.origin)) }

// Close ends the client. Calls under way end: as refused if they had no effect, otherwise as unknown. The session is
// closed in the store if that works within a second; otherwise the store drops it when it needs the room. Close waits
// for everything that the client started. A second Close does nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	var session uint64
	var leader *node
	if c.policy != nil {
		session, leader = c.policy.Close(), c.nodes[c.policy.Target()]
	}
	nodes := c.nodes
	c.mu.Unlock()
	close(c.closing)
	for _, n := range nodes {
		n.end()
	}
	c.cancel()
	c.running.Wait()
	if session != 0 {
		closeSession(leader, session)
	}
	return closeAll(nodes)
}

// closeSession is best effort.
func closeSession(n *node, session uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, _ = kvpb.NewKVClient(n.conn).CloseSession(ctx, &kvpb.CloseSessionRequest{Session: session})
}

func closeAll(nodes []*node) error {
	var all []error
	for _, n := range nodes {
		all = append(all, n.close())
	}
	return errors.Join(all...)
}

// Get reads a key, linearizably unless Stale is given. An absent key is no error: Item.Found is false.
func (c *Client) Get(ctx context.Context, key []byte, options ...ReadOption) (Item, error) {
	one := newCall(policy.Read)
	defer one.release()
	one.operation = operation{kind: operationGet, key: key}
	for _, o := range options {
		switch o := o.(type) {
		case consistencyOption:
			one.operation.consistency = kvpb.Consistency(o)
		case nodeOption:
			c.pin(one, string(o))
		}
	}
	if err := c.run(ctx, "get", one); err != nil {
		return Item{}, err
	}
	r := &one.result
	return Item{Found: r.found, Value: r.value, Revision: r.revision, CreateRevision: r.createRevision,
		ModRevision: r.modRevision, Version: r.version}, nil
}

// Put writes a key. The key and value may be used again once it has returned.
func (c *Client) Put(ctx context.Context, key, value []byte, options ...WriteOption) (PutResult, error) {
	one := newCall(policy.Write)
	defer one.release()
	one.operation = operation{kind: operationPut, key: key, value: value}
	if err := c.write(ctx, "put", one, options); err != nil {
		return PutResult{}, err
	}
	r := &one.result
	return PutResult{Existed: r.found, Revision: r.revision, CreateRevision: r.createRevision, ModRevision: r.modRevision,
		Version: r.version}, nil
}

// Delete removes a key. Deleting an absent key is no error: DeleteResult.Existed is false.
func (c *Client) Delete(ctx context.Context, key []byte, options ...WriteOption) (DeleteResult, error) {
	one := newCall(policy.Write)
	defer one.release()
	one.operation = operation{kind: operationDelete, key: key}
	if err := c.write(ctx, "delete", one, options); err != nil {
		return DeleteResult{}, err
	}
	r := &one.result
	return DeleteResult{Existed: r.found, Revision: r.revision, ModRevision: r.modRevision}, nil
}

// write runs a write under its options.
func (c *Client) write(ctx context.Context, name string, one *call, options []WriteOption) error {
	for _, o := range options {
		switch o := o.(type) {
		case conditionOption:
			one.operation.condition, one.operation.conditionRevision = o.condition, o.revision
		case nodeOption:
			c.pin(one, string(o))
		}
	}
	if err := c.run(ctx, name, one); err != nil {
		return err
	}
	if r := &one.result; r.conditionFailed {
		return &ConditionError{Operation: name, Exists: r.modRevision != 0, Revision: r.revision, ModRevision: r.modRevision,
			CreateRevision: r.createRevision, Version: r.version}
	}
	return nil
}

// pin sends a call to one node.
func (c *Client) pin(one *call, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one.op.Pinned, one.op.Node = true, -1 // which is refused, if the node cannot be known
	if number, ok := c.nodeAt(address); ok {
		one.op.Node = number
	}
}

// run brings a call to its end and tells what is not done as an error.
func (c *Client) run(ctx context.Context, name string, one *call) error {
	if size := len(one.operation.key) + len(one.operation.value); size > c.config.RequestBytesMax {
		return &RefusedError{Operation: name, Reason: policy.ReasonInvalid,
			Message: fmt.Sprintf("key and value have %d bytes, Config.RequestBytesMax is %d", size, c.config.RequestBytesMax)}
	}
	d := c.do(ctx, one)
	if d.Outcome == policy.Done {
		return nil
	}
	return one.failure(name, &d)
}

// failure is the error for a call that is not done.
func (c *call) failure(name string, d *policy.Decision) error {
	cause := c.cause
	if cause == nil && d.Late {
		cause = context.DeadlineExceeded
	}
	node, message := c.node, c.message
	if d.Outcome == policy.Refused && c.speaker != "" {
		node = c.speaker
	}
	if c.op.Pinned && c.op.Node < 0 {
		message = "the node given is not an address, or too many are known"
	}
	if d.Outcome == policy.Unknown {
		return &UnknownError{Operation: name, Reason: d.Reason, Node: c.node, Message: message, Attempts: int(d.Attempt), Cause: cause}
	}
	return &RefusedError{Operation: name, Reason: d.Reason, Node: node, Message: message, Attempts: int(d.Attempt), Cause: cause}
}
