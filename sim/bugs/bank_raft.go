package bugs

import "go/ast"

// raftBugs are in the raft engine.
func raftBugs() []Bug {
	return []Bug{
		{
			Name:  "commit-quorum-too-small",
			Title: "half of an even number of voters commits an entry",
			Raft:  []RaftEdit{{File: "quorum/majority.go", Func: "MajorityConfig.CommittedIndex", Place: valueOf("pos"), New: "n - (n+1)/2"}},
		},
		{
			Name:  "vote-quorum-too-small",
			Title: "half of an even number of voters elects a leader",
			Raft:  []RaftEdit{{File: "quorum/majority.go", Func: "MajorityConfig.VoteResult", Place: valueOf("q"), New: "(len(c) + 1) / 2"}},
		},
		{
			Name:  "quorum-one-too-small",
			Title: "one voter less than a majority commits an entry, where there are four or more",
			Raft:  []RaftEdit{{File: "quorum/majority.go", Func: "MajorityConfig.CommittedIndex", Place: valueOf("pos"), New: "n - max(n/2, min(n, 2))"}},
		},
		{
			Name:  "own-entry-counted-early",
			Title: "a leader counts its own entry before it is durable",
			Raft: []RaftEdit{{File: "raft.go", Func: "raft.appendEntry", Place: call("send", 1),
				New: "if r.trk.Progress[r.id].MaybeUpdate(li) {\n r.maybeCommit()\n}"}},
		},
		{
			Name:  "older-term-committed",
			Title: "an entry of an earlier term is committed by counting who has it",
			Raft:  []RaftEdit{{File: "log.go", Func: "raftLog.maybeCommit", Place: call("matchTerm", 1), New: "true"}},
		},
		{
			Name:  "two-votes-in-a-term",
			Title: "a node that knows no leader votes again in the same term",
			Raft:  []RaftEdit{{File: "raft.go", Func: "raft.Step", Place: noVoteYet, New: "true"}},
		},
		{
			Name:  "vote-for-shorter-log",
			Title: "a vote is given to a candidate whose log lacks entries",
			Raft:  []RaftEdit{{File: "raft.go", Func: "raft.Step", Place: call("isUpToDate", 1), New: "true"}},
		},
		{
			Name:  "append-without-matching",
			Title: "a follower appends entries without looking at the one before them",
			Raft: []RaftEdit{{File: "log.go", Func: "raftLog.maybeAppend", Place: call("matchTerm", 1),
				New: "(l.matchTerm(a.prev) || a.prev.index <= l.lastIndex())"}},
		},
		{
			Name:  "commit-beyond-match",
			Title: "a heartbeat tells a follower a commit index beyond what its log is known to share",
			Raft:  []RaftEdit{{File: "raft.go", Func: "raft.sendHeartbeat", Place: valueOf("commit"), New: "r.raftLog.committed"}},
		},
		{
			Name:  "read-confirmed-by-anyone",
			Title: "one answer confirms a round of reads, where a quorum has to",
			Raft: []RaftEdit{{File: "read_only.go", Func: "readOnly.maybeAdvance", Place: valueOf("newConfirmedReads"),
				New: "func() (n uint64) {\n for _, ack := range ro.acks {\n n = max(n, ack)\n }\n return n\n}()"}},
		},
	}
}

// noVoteYet is the condition that nobody was voted for yet, the first comparison of Vote with None.
func noVoteYet(f *ast.FuncDecl) ast.Node {
	return nth(f, 1, func(node ast.Node) bool {
		b, ok := node.(*ast.BinaryExpr)
		if !ok || !isNamed(b.Y, "None") {
			return false
		}
		s, ok := b.X.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Vote"
	})
}
