package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

// The ways in.
const (
	Unary       = "grpc"        // one call an operation
	Stream      = "stream"      // the pipelined stream
	Sessionless = "sessionless" // the stream, without sessions: what is unknown stays unknown
	HTTP        = "http"        // with redirects
	HTTPSession = "http-session"
)

// Ways are all of them.
func (n *Native) Ways() []string { return []string{Unary, Stream, Sessionless, HTTP, HTTPSession} }

// Open makes a client.
func (n *Native) Open(way string, all []driver.Addresses) (driver.Client, error) {
	c := client.Config{}
	for _, a := range all {
		c.Addresses = append(c.Addresses, a.GRPC)
	}
	switch way {
	case Unary:
		c.Unary = true
	case Stream:
	case Sessionless:
		c.DisableSessions = true
	case HTTP, HTTPSession:
		return newHTTP(all, way == HTTPSession), nil
	default:
		return nil, fmt.Errorf("unknown way %q: one of %v", way, n.Ways())
	}
	under, err := client.New(c)
	if err != nil {
		return nil, err
	}
	return &grpcClient{client: under, addresses: c.Addresses}, nil
}

// grpcClient is the Go client.
type grpcClient struct {
	client    *client.Client
	addresses []string
}

func (g *grpcClient) Close() error { return g.client.Close() }

// Do calls the client.
func (g *grpcClient) Do(ctx context.Context, o history.Operation, at int) (history.Operation, error) {
	switch o.Kind {
	case history.Get:
		return g.get(ctx, o, at)
	case history.Put:
		r, err := g.client.Put(ctx, []byte(o.Key), []byte(o.Value.Data), g.writeOptions(o, at)...)
		return written(r.Revision, r.Existed, err)
	case history.Delete:
		r, err := g.client.Delete(ctx, []byte(o.Key), g.writeOptions(o, at)...)
		return written(r.Revision, r.Existed, err)
	}
	return history.Operation{Outcome: history.Refused}, fmt.Errorf("no client call for kind %d", o.Kind)
}

func (g *grpcClient) get(ctx context.Context, o history.Operation, at int) (history.Operation, error) {
	var options []client.ReadOption
	if o.Stale {
		options = append(options, client.Stale())
	}
	if at > 0 {
		options = append(options, client.Node(g.addresses[at-1]))
	}
	item, err := g.client.Get(ctx, []byte(o.Key), options...)
	if err != nil {
		return failed(err)
	}
	r := history.Operation{Outcome: history.Done, Revision: item.Revision, KeyRevision: item.ModRevision}
	if item.Found {
		r.Observed = history.Of(string(item.Value))
	}
	return r, nil
}

func (g *grpcClient) writeOptions(o history.Operation, at int) []client.WriteOption {
	var options []client.WriteOption
	switch o.Condition.Kind {
	case history.MustNotExist:
		options = append(options, client.IfAbsent())
	case history.MustExist:
		options = append(options, client.IfExists())
	case history.RevisionEquals:
		options = append(options, client.IfRevision(o.Condition.Revision))
	}
	if at > 0 {
		options = append(options, client.Node(g.addresses[at-1]))
	}
	return options
}

func written(revision uint64, existed bool, err error) (history.Operation, error) {
	if err != nil {
		return failed(err)
	}
	return history.Operation{Outcome: history.Done, Revision: revision, Existed: whether(existed)}, nil
}

func whether(existed bool) history.Existed {
	if existed {
		return history.Yes
	}
	return history.No
}

// failed tells the three ways in which a call can fail apart. Any other error leaves the outcome open.
func failed(err error) (history.Operation, error) {
	var condition *client.ConditionError
	switch {
	case errors.As(err, &condition):
		r := history.Operation{Outcome: history.ConditionFailed, Revision: condition.Revision, KeyRevision: condition.ModRevision}
		r.HasObserved = !condition.Exists // the value is not told, but its absence is
		return r, nil
	case errors.Is(err, client.ErrRefused):
		return history.Operation{Outcome: history.Refused}, err
	}
	return history.Operation{Outcome: history.Unknown}, err
}
