package plan

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds of a node's options.
const (
	tickMin         = Duration(1e6)
	electionTicks   = 3 // at least
	segmentBytesMin = 1 << 10
	periodMin       = Duration(1e6)
)

// Messages lists raft's message types that a fault may pick, and empty for all of them.
var Messages = []string{
	"", "MsgApp", "MsgAppResp", "MsgHeartbeat", "MsgHeartbeatResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgPreVoteResp",
	"MsgTimeoutNow", "MsgReadIndex", "MsgReadIndexResp", "MsgSnap",
}

// validate names the first option that no node takes.
func (n *Node) validate() error {
	switch {
	case n.Tick < tickMin:
		return fmt.Errorf("a tick of %v; at least %v", n.Tick, tickMin)
	case n.HeartbeatTicks < 1:
		return fmt.Errorf("heartbeat_ticks %d; at least 1", n.HeartbeatTicks)
	case n.ElectionTicks < electionTicks || n.ElectionTicks <= n.HeartbeatTicks:
		return fmt.Errorf("election_ticks %d; at least %d, and more than heartbeat_ticks", n.ElectionTicks, electionTicks)
	case n.SnapshotEntries < 1 || n.TailEntries < 1:
		return fmt.Errorf("snapshot_entries %d and tail_entries %d; at least 1", n.SnapshotEntries, n.TailEntries)
	case n.SegmentBytes < segmentBytesMin:
		return fmt.Errorf("segment_bytes %d; at least %d", n.SegmentBytes, segmentBytesMin)
	}
	for _, v := range []int{n.RequestTicks, n.EntryBytes, n.EntryCommands, n.MessageBytes, n.Inflight, n.ApplyBytes, n.AppendsInflight, n.Pending, n.Uncommitted,
		n.ReadRetryTicks, n.MaintainSteps, n.DataBytes, n.SnapshotBytes, n.SessionsMax} {
		if v < 0 {
			return fmt.Errorf("an option of %d; none is below 0", v)
		}
	}
	return nil
}

// numbered says which number stands twice: values are told apart by them.
func (p *Plan) numbered() error {
	seen := make(map[int]bool, len(p.Operations))
	for i := range p.Operations {
		n := p.Operations[i].Number
		if seen[n] {
			return fmt.Errorf("plan: two operations have the number %d; give each its own, since the values that they write are told apart by it", n)
		}
		seen[n] = true
	}
	return nil
}

// refers checks what a fault refers to beside its target.
func (f *Fault) refers(p *Plan) error {
	switch {
	case f.Peer != "" && !p.isNode(f.Peer.Node()):
		return fmt.Errorf("peer %q; the number of a node", f.Peer)
	case !slices.Contains(Messages, f.Message):
		return fmt.Errorf("message %q; one of %v", f.Message, Messages[1:])
	case f.Period != 0 && f.Period < periodMin:
		return fmt.Errorf("a period of %v; at least %v", f.Period, periodMin)
	}
	seen := map[int]bool{}
	for _, group := range f.Groups {
		for _, n := range group {
			if !p.isNode(n) || seen[n] {
				return errors.New("groups need numbers of nodes, each at most once")
			}
			seen[n] = true
		}
	}
	return nil
}
