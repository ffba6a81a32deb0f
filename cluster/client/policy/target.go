package policy

// target is the node that all operations go to: the leader, as far as it is known, or else the next in turn.
type target struct {
	nodes int
	node  int
	// turn is the node that was last chosen in turn. It is kept apart from node, so that a node which names a dead
	// leader again and again cannot keep the others from being tried.
	turn int
	term uint64 // the highest term that a hint told
	// until holds for each node that failed the instant up to which it is gone to only when there is no other way.
	until    [NodesMax]int64
	failures [NodesMax]uint8 // in a row
	locateAt int64           // when Locate next says yes
}

// hint follows a leader hint and says whether it did. One of an older term is out of date. A hint that came with a
// result is a way to save a hop, so a node that failed lately is not worth it; a refusal leaves no other way.
func (t *target) hint(now int64, node int, term uint64, done bool) bool {
	if node < 0 || node >= t.nodes || term != 0 && term < t.term {
		return false
	}
	t.term = max(t.term, term)
	if done && now < t.until[node] {
		return false
	}
	t.node = node
	return true
}

// confirm notes that a node answers.
func (t *target) confirm(node int) { t.failures[node] = 0 }

// blame moves on from a node that failed, unless another operation's failure has done so already.
func (t *target) blame(now int64, node int) {
	t.until[node] = now + holdoffNanos<<t.failures[node]
	t.failures[node] = min(t.failures[node]+1, holdoffDoublings)
	if t.node != node || t.nodes == 1 {
		return
	}
	t.turn = (t.turn + 1) % t.nodes
	if t.turn == node {
		t.turn = (t.turn + 1) % t.nodes
	}
	t.node = t.turn
	t.locateAt = now
}

// Locate says that the target should be asked, beside the operations, who leads: call Located with the answer. A node
// that forwards to the leader serves well and names nobody, so that it would be gone through for ever. It says so at
// once when the target was chosen in turn, later every few seconds, and only after an operation was done.
func (c *Client) Locate(now int64) bool {
	if now < c.target.locateAt || c.closed {
		return false
	}
	c.target.locateAt = now + locateNanos
	return true
}

// Located takes the target's word for who leads.
func (c *Client) Located(now int64, leader int) { c.target.hint(now, leader, 0, true) }
