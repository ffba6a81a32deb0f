package client

import (
	"context"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// Status tells what a node knows of itself and of its peers: the node given by Node, or else whichever answers.
func (c *Client) Status(ctx context.Context, options ...Option) (*kvpb.StatusResponse, error) {
	return ask(ctx, c, "status", policy.Read, options, func(ctx context.Context, n *node, p *peer.Peer) (*kvpb.StatusResponse, error) {
		return kvpb.NewClusterClient(n.conn).Status(ctx, &kvpb.StatusRequest{}, grpc.Peer(p))
	})
}

// Members tells who belongs to the cluster and who leads, as the node that answers knows it.
func (c *Client) Members(ctx context.Context, options ...Option) (*kvpb.MembersResponse, error) {
	return ask(ctx, c, "members", policy.Read, options, func(ctx context.Context, n *node, p *peer.Peer) (*kvpb.MembersResponse, error) {
		return kvpb.NewClusterClient(n.conn).Members(ctx, &kvpb.MembersRequest{}, grpc.Peer(p))
	})
}

// TransferLeader hands leadership to a node, to the best one if it is 0, and returns when another node leads. It is not
// sent again when its answer is lost: it may then be unknown.
func (c *Client) TransferLeader(ctx context.Context, to uint64, options ...Option) (*kvpb.TransferLeaderResponse, error) {
	request := &kvpb.TransferLeaderRequest{Node: to}
	return ask(ctx, c, "leader transfer", policy.Write, options, func(ctx context.Context, n *node, p *peer.Peer) (*kvpb.TransferLeaderResponse, error) {
		return kvpb.NewClusterClient(n.conn).TransferLeader(ctx, request, grpc.Peer(p))
	})
}

// ChangeMember adds a learner, promotes it to a voter, or removes a member. It is not sent again when its answer is
// lost: it may then be unknown, and Members tells.
func (c *Client) ChangeMember(ctx context.Context, change kvpb.MemberChange, member *kvpb.Member, options ...Option) (*kvpb.ChangeMemberResponse, error) {
	request := &kvpb.ChangeMemberRequest{Change: change, Member: member}
	return ask(ctx, c, "member change", policy.Write, options, func(ctx context.Context, n *node, p *peer.Peer) (*kvpb.ChangeMemberResponse, error) {
		return kvpb.NewClusterClient(n.conn).ChangeMember(ctx, request, grpc.Peer(p))
	})
}

// ask brings a call of the Cluster service to its end, by the same rules as any other.
func ask[R any](ctx context.Context, c *Client, name string, kind policy.Kind, options []Option,
	invoke func(context.Context, *node, *peer.Peer) (*R, error)) (*R, error) {
	one := newCall(kind)
	defer one.release()
	one.op.Sessionless = true
	for _, o := range options {
		if o, ok := o.(nodeOption); ok {
			c.pin(one, string(o))
		}
	}
	var r *R
	one.invoke = func(ctx context.Context, n *node, one *call, _ *policy.Decision) {
		var p peer.Peer
		var err error
		r, err = invoke(ctx, n, &p)
		one.conclude(err, &p)
	}
	if err := c.run(ctx, name, one); err != nil {
		return nil, err
	}
	return r, nil
}
