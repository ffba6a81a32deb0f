package client

import (
	"context"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// locateTimeout bounds the question who leads.
const locateTimeout = time.Second

// nodeOf is the node with a number of the policy's.
func (c *Client) nodeOf(number int) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[number]
}

// nodeAt is the number of the node at an address, which becomes known if it was not; false when no more can be known.
// Under c.mu.
func (c *Client) nodeAt(address string) (int, bool) {
	if number, ok := c.numbers[address]; ok {
		return number, true
	}
	if c.closed || checkAddress(address) != nil {
		return 0, false
	}
	n, err := newNode(c, address)
	if err != nil {
		return 0, false // no such address: the hint is of no use
	}
	number, ok := c.policy.AddNode()
	if !ok {
		_ = n.close()
		return 0, false
	}
	c.nodes = append(c.nodes, n)
	c.numbers[address] = number
	return number, true
}

// resolve turns an address that the cluster told into the one to connect to.
func (c *Client) resolve(address string) string {
	if c.config.Resolve == nil {
		return address
	}
	return c.config.Resolve(address)
}

// locate asks a node who leads, beside the operations. A node that forwards would otherwise be gone through for ever.
// Under c.mu.
func (c *Client) locate(n *node) {
	if c.closed {
		return
	}
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		ctx, cancel := context.WithTimeout(c.context, locateTimeout)
		defer cancel()
		members, err := kvpb.NewClusterClient(n.conn).Members(ctx, &kvpb.MembersRequest{})
		if err != nil {
			return // the operations will find out whether the node is of use
		}
		c.located(members)
	}()
}

func (c *Client) located(members *kvpb.MembersResponse) {
	for _, m := range members.Members {
		if m.Node != members.Leader || m.GrpcAddress == "" {
			continue
		}
		address, now := c.resolve(m.GrpcAddress), c.now()
		c.mu.Lock()
		if leader, ok := c.nodeAt(address); ok && !c.closed {
			c.policy.Located(now, leader)
		}
		c.mu.Unlock()
	}
}
