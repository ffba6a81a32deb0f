package cluster

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// run is a random life of a small cluster and what must hold in it.
type run struct {
	*stage
	t        *rapid.T
	ids      []uint64
	nextID   uint64
	puts     map[uint64]string // open proposals: the value, which nobody else writes
	reads    map[uint64]uint64 // open reads: the highest acknowledged revision when they were received
	highest  uint64            // acknowledged revision
	done     map[string]uint64 // acknowledged values: their revision
	refused  map[string]bool
	answered map[uint64]bool
	leaders  map[uint64]uint64 // by term
	hashes   map[uint64]uint64 // of the state, by applied index
}

func newRun(t *rapid.T) *run {
	r := &run{
		stage: &stage{check: t, nodes: map[uint64]*actor{}, quiet: true}, t: t, ids: []uint64{1, 2, 3},
		puts: map[uint64]string{}, reads: map[uint64]uint64{}, done: map[string]uint64{}, refused: map[string]bool{},
		answered: map[uint64]bool{}, leaders: map[uint64]uint64{}, hashes: map[uint64]uint64{},
	}
	r.onReply = r.answer
	if rapid.Bool().Draw(t, "one node") {
		r.ids = r.ids[:1]
	}
	r.later = func() bool { return rapid.IntRange(0, 3).Draw(t, "later") == 0 }
	founding, conf := Founding(testMembers(r.ids...))
	snapshotEntries := uint64(rapid.IntRange(2, 40).Draw(t, "snapshot entries"))
	tail := uint64(rapid.IntRange(1, 20).Draw(t, "tail entries"))
	lease := rapid.Bool().Draw(t, "lease")
	for _, id := range r.ids {
		c := testConfig(id)
		c.SnapshotEntries, c.TailEntries, c.LeaseReads = snapshotEntries, tail, lease
		c.ApplyBytesMax = uint64(rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "apply bytes"))
		r.nodes[id] = &actor{config: c, disk: disk{founding: founding, conf: conf, files: map[SnapshotMark][][]byte{}}}
		r.start(id)
	}
	return r
}

func (r *run) any() uint64 { return rapid.SampledFrom(r.ids).Draw(r.t, "node") }

// answer checks a reply against what was promised before.
func (r *run) answer(node uint64, reply *Reply) {
	require.False(r.t, r.answered[reply.ID], "request %d answered twice", reply.ID)
	r.answered[reply.ID] = true
	if floor, ok := r.reads[reply.ID]; ok {
		if reply.Outcome == Done {
			require.GreaterOrEqual(r.t, r.nodes[node].node.Machine().Revision(), floor, "node %d answers a read from the past", node)
		}
		require.NotEqual(r.t, Unknown, reply.Outcome, "a read is never unknown")
		return
	}
	value, ok := r.puts[reply.ID]
	if !ok {
		return
	}
	switch reply.Outcome {
	case Done:
		for other, revision := range r.done {
			require.NotEqual(r.t, revision, reply.Result.Revision, "%s and %s at one revision", other, value)
		}
		r.done[value] = reply.Result.Revision
		r.highest = max(r.highest, reply.Result.Revision)
	case Refused:
		r.refused[value] = true
	}
}

func (r *run) Propose(t *rapid.T) {
	id := r.any()
	var events []Event
	for range rapid.IntRange(1, 3).Draw(t, "commands") {
		r.nextID++
		value := fmt.Sprintf("v%d", r.nextID)
		r.puts[r.nextID] = value
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
		events = append(events, Event{Kind: EventPropose, ID: r.nextID, Command: &kv.Command{Kind: kv.Put, Key: []byte(key), Value: []byte(value)}})
	}
	r.step(id, events...)
}

func (r *run) Read(*rapid.T) {
	id := r.any()
	r.nextID++
	r.reads[r.nextID] = r.highest
	r.step(id, Event{Kind: EventRead, ID: r.nextID}, Event{Kind: EventTick, Now: r.nodes[id].now})
}

// Tick advances all clocks together: lease reads are only as good as the clocks.
func (r *run) Tick(*rapid.T) {
	skipped := rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3}).Draw(r.t, "skipped")
	for _, id := range r.ids {
		a := r.nodes[id]
		a.now += a.config.TickNanos
		if id != skipped {
			r.step(id, Event{Kind: EventTick, Now: a.now})
		}
	}
}

func (r *run) Deliver(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "messages") {
		if len(r.network) == 0 {
			return
		}
		i := rapid.IntRange(0, len(r.network)-1).Draw(t, "which")
		m := r.network[i]
		if rapid.IntRange(0, 9).Draw(t, "twice") > 0 {
			r.network = append(r.network[:i:i], r.network[i+1:]...)
		}
		if rapid.IntRange(0, 9).Draw(t, "lost") > 0 {
			r.deliverOne(m)
		}
	}
}

func (r *run) Persist(t *rapid.T) {
	id := r.any()
	if n := len(r.nodes[id].appends); n > 0 {
		r.persistFirst(id, rapid.IntRange(1, n).Draw(t, "appends"))
	}
}

func (r *run) Settle(*rapid.T) {
	among := map[uint64]bool{}
	for _, id := range r.ids {
		among[id] = rapid.IntRange(0, 3).Draw(r.t, "among") > 0
	}
	r.settle(among)
}

// Restart loses what was not durable; the answers of the life before never come.
func (r *run) Restart(*rapid.T) {
	id := r.any()
	now := r.nodes[id].now
	r.start(id)
	r.nodes[id].now = now
	r.step(id, Event{Kind: EventTick, Now: now})
}

func (r *run) Save(*rapid.T) {
	id := r.any()
	if r.nodes[id].snapshot != nil {
		r.saveSnapshot(id)
	}
}

func (r *run) Sent(*rapid.T) {
	r.step(r.any(), Event{Kind: EventSnapshotSent, Peer: r.any(), Failed: rapid.Bool().Draw(r.t, "failed")})
}

func (r *run) Transfer(*rapid.T) {
	r.nextID++
	r.step(r.any(), Event{Kind: EventTransfer, ID: r.nextID})
}

func (r *run) Cancel(t *rapid.T) {
	if r.nextID > 0 {
		r.step(r.any(), Event{Kind: EventCancel, ID: rapid.Uint64Range(1, r.nextID).Draw(t, "request")})
	}
}

// invariants hold after every action.
func (r *run) invariants(t *rapid.T) {
	for _, id := range r.ids {
		n := r.nodes[id].node
		require.NoError(t, n.failed)
		if n.role.State == Leader {
			other, known := r.leaders[n.role.Term]
			require.True(t, !known || other == id, "nodes %d and %d lead term %d", other, id, n.role.Term)
			r.leaders[n.role.Term] = id
		}
		applied, hash := n.machine.Applied(), n.machine.StateHash()
		other, known := r.hashes[applied]
		require.True(t, !known || other == hash, "node %d differs at applied index %d", id, applied)
		r.hashes[applied] = hash
		require.LessOrEqual(t, n.log.bytes, pinnedTailFactor*n.config.TailBytes+1<<20)
	}
}

// converge heals everything; then every node must hold every acknowledged write and no refused one.
func (r *run) converge(t *rapid.T) {
	all := map[uint64]bool{1: true, 2: true, 3: true}
	r.later = nil
	for range 60 {
		for _, id := range r.ids {
			if r.nodes[id].snapshot != nil {
				r.saveSnapshot(id)
			}
			for _, peer := range r.ids {
				r.step(id, Event{Kind: EventSnapshotSent, Peer: peer})
			}
			r.tickOnce(id)
			r.settle(all)
		}
	}
	r.invariants(t)
	first := r.nodes[1].node
	require.NotZero(t, first.role.Leader, "no leader after healing")
	for _, id := range r.ids {
		n := r.nodes[id].node
		require.Equal(t, first.machine.Applied(), n.machine.Applied(), "node %d does not converge", id)
		require.GreaterOrEqual(t, n.machine.Revision(), r.highest)
		require.Zero(t, len(n.proposals.queue)+n.proposals.open+n.reads.count(), "requests of node %d are never answered", id)
		for _, key := range []string{"a", "b", "c"} {
			item, _, found := n.machine.Get([]byte(key))
			if !found {
				continue
			}
			require.False(t, r.refused[string(item.Value)], "node %d holds the refused %s", id, item.Value)
			if revision, acknowledged := r.done[string(item.Value)]; acknowledged {
				require.Equal(t, revision, item.ModRevision)
			}
		}
	}
	r.checkHistory(t)
}

// checkHistory replays the longest log there is: every acknowledged put must be in it at its revision, no refused one may be.
func (r *run) checkHistory(t *rapid.T) {
	for _, id := range r.ids {
		revisions := map[string]uint64{}
		revision := r.nodes[id].node.machine.Revision()
		entries := r.nodes[id].disk.entries
		for i := len(entries) - 1; i >= 0; i-- {
			if len(entries[i].GetData()) == 0 {
				continue
			}
			batch, err := kv.DecodeBatch(entries[i].GetData())
			require.NoError(t, err)
			for j := len(batch.Commands) - 1; j >= 0; j-- {
				revisions[string(batch.Commands[j].Value)] = revision
				revision--
			}
		}
		for value, acknowledged := range r.done {
			if at, there := revisions[value]; there || acknowledged > revision {
				require.Equal(t, acknowledged, at, "node %d: %s", id, value)
			}
		}
		for value := range r.refused {
			require.NotContains(t, revisions, value, "node %d holds a refused write", id)
		}
	}
}

// TestRandomLives is a small simulation: messages are lost, doubled and reordered, nodes restart with what was durable, and
// what was said to clients must stay true.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		actions := map[string]func(*rapid.T){
			"": r.invariants, "tick": r.Tick, "tick2": r.Tick, "deliver": r.Deliver, "deliver2": r.Deliver, "persist": r.Persist, "persist2": r.Persist,
			"settle": r.Settle, "propose": r.Propose, "read": r.Read, "restart": r.Restart, "save": r.Save, "sent": r.Sent,
			"transfer": r.Transfer, "cancel": r.Cancel,
		}
		t.Repeat(actions)
		r.converge(t)
	})
}

// Change asks for a change of the membership, fitting or not.
func (r *run) Change(t *rapid.T) {
	r.nextID++
	kind := rapid.SampledFrom([]ChangeKind{AddLearner, Promote, Remove}).Draw(t, "change")
	member := testMembers(rapid.Uint64Range(1, 5).Draw(t, "member"))[0]
	r.step(r.any(), Event{Kind: EventChangeMember, ID: r.nextID, Change: &MemberChange{Kind: kind, Member: member}})
}

// TestRandomLivesWithChanges lets the membership change as well; node 4 joins. There may be no quorum in the end, so only what must
// hold at all times is checked.
func TestRandomLivesWithChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		r.nodes[4] = &actor{config: r.nodes[1].config, disk: disk{files: map[SnapshotMark][][]byte{}}}
		r.nodes[4].config.ID = 4
		r.ids = append(r.ids, 4)
		r.start(4)
		t.Repeat(map[string]func(*rapid.T){
			"": r.invariants, "tick": r.Tick, "tick2": r.Tick, "deliver": r.Deliver, "deliver2": r.Deliver, "persist": r.Persist,
			"settle": r.Settle, "settle2": r.Settle, "propose": r.Propose, "read": r.Read, "restart": r.Restart, "save": r.Save, "sent": r.Sent,
			"transfer": r.Transfer, "cancel": r.Cancel, "change": r.Change, "change2": r.Change,
		})
	})
}
