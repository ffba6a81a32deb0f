package cluster

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestMain takes the jitter out of raft's elections: every node campaigns after ElectionTicks, so that a story decides by
// its ticks who does.
func TestMain(m *testing.M) {
	rand.Reader = zeros{}
	os.Exit(m.Run())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestStories runs the golden traces: one story a file. With -rewrite the traces are written anew; read what changed.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			return
		}
		s := &stage{t: t, check: t, nodes: map[uint64]*actor{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.run(d)
			if s.out.Len() == 0 {
				return "ok"
			}
			return s.out.String()
		})
	})
}

// stage is a hand-driven world: nothing happens unless the story says so.
type stage struct {
	t       *testing.T       // of a story
	check   require.TestingT // of a story or of a random run
	nodes   map[uint64]*actor
	network []*raftpb.Message // in the order in which they were sent
	out     bytes.Buffer
	quiet   bool
	onReply func(node uint64, r *Reply) // for random runs
	// later, for random runs, says that events wait for the next Step, or that More is left undone for now.
	later func() bool
}

// actor is a node with its disk.
type actor struct {
	node     *Node
	config   Config
	now      int64
	appends  []Append // given by the node, not written
	snapshot *kv.Snapshot
	disk     disk
	more     bool
	crashed  bool
	waiting  []Event
}

// disk is what would survive a crash.
type disk struct {
	hardState HardState
	entries   []*raftpb.Entry
	mark      SnapshotMark // the log begins behind it
	files     map[SnapshotMark][][]byte
	founding  Membership
	conf      *raftpb.ConfState
	epoch     uint64
}

// run dispatches one directive.
func (s *stage) run(d *datadriven.TestData) {
	for _, handler := range []struct {
		name string
		run  func(*datadriven.TestData)
	}{
		{"cluster", s.cluster}, {"tick", s.tick}, {"deliver", s.deliver}, {"drop", s.drop}, {"persist", s.persist},
		{"stabilize", s.stabilize}, {"elect", s.elect}, {"propose", s.propose}, {"read", s.read}, {"get", s.get}, {"restart", s.restart}, {"crash", s.crash},
		{"transfer", s.transfer}, {"save", s.save}, {"sent", s.sent}, {"change", s.change}, {"status", s.status}, {"network", s.showNetwork},
		{"disk", s.diskReserve}, {"cancel", s.cancel}, {"join", s.join}, {"hold", s.hold},
	} {
		if handler.name == d.Cmd {
			handler.run(d)
			return
		}
	}
	s.t.Fatalf("%s: unknown directive %q", d.Pos, d.Cmd)
}

// testConfig has small numbers that a story can count.
func testConfig(id uint64) Config {
	return Config{
		ID: id, Epoch: 1, TickNanos: 1000, ElectionTicks: 5, HeartbeatTicks: 1, RequestTicks: 20, ReadRetryTicks: 2, AppendsInflightMax: 2,
		Machine: kv.Options{Shards: 4},
	}
}

func testMembers(ids ...uint64) []Member {
	var members []Member
	for _, id := range ids {
		members = append(members, Member{ID: id, Instance: Instance{byte(id)}, Peer: fmt.Sprintf("node-%d:1", id)})
	}
	return members
}

func (s *stage) cluster(d *datadriven.TestData) {
	var count int
	d.ScanArgs(s.t, "nodes", &count)
	var ids []uint64
	for id := uint64(1); id <= uint64(count); id++ {
		ids = append(ids, id)
	}
	founding, conf := Founding(testMembers(ids...))
	for _, id := range ids {
		s.nodes[id] = &actor{config: s.config(d, id), disk: disk{founding: founding, conf: conf, files: map[SnapshotMark][][]byte{}}}
		s.start(id)
	}
}

// config applies a directive's options.
func (s *stage) config(d *datadriven.TestData, id uint64) Config {
	c := testConfig(id)
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			c.LeaseReads = c.LeaseReads || arg.Key == "lease"
			continue
		}
		v, err := strconv.Atoi(arg.Vals[0])
		require.NoError(s.t, err)
		switch arg.Key {
		case "snapshot-entries":
			c.SnapshotEntries = uint64(v)
		case "tail-entries":
			c.TailEntries = uint64(v)
		case "pending-max":
			c.PendingMax = v
		case "data-max":
			c.DataBytesMax = int64(v)
		case "apply-bytes":
			c.ApplyBytesMax = uint64(v)
		}
	}
	return c
}

// join makes a node that is no member yet.
func (s *stage) join(d *datadriven.TestData) {
	id := s.id(d)
	s.nodes[id] = &actor{config: s.config(d, id), disk: disk{files: map[SnapshotMark][][]byte{}}}
	s.start(id)
}

// start makes a node from its disk.
func (s *stage) start(id uint64) {
	a := s.nodes[id]
	a.disk.epoch++
	a.config.Epoch = a.disk.epoch
	r := Recovered{
		HardState: a.disk.hardState, Snapshot: a.disk.mark, Entries: append([]*raftpb.Entry(nil), a.disk.entries...),
		Membership: a.disk.founding, ConfState: a.disk.conf, Restarted: a.disk.epoch > 1,
	}
	var err error
	r.Machine, err = kv.New(a.config.Machine)
	require.NoError(s.check, err)
	if a.disk.mark.Index > 0 {
		machine, meta := a.disk.load(s.check, a.disk.mark, a.config.Machine)
		r.Machine = machine
		r.Membership, r.ConfState, err = DecodeMembership(meta.Cluster)
		require.NoError(s.check, err)
	}
	a.node, err = New(a.config, r)
	require.NoError(s.check, err)
	a.crashed, a.appends, a.snapshot, a.more, a.now, a.waiting = false, nil, nil, true, 0, nil
	s.step(id, Event{Kind: EventTick, Now: a.now})
}

func (d *disk) load(t require.TestingT, mark SnapshotMark, o kv.Options) (*kv.Machine, kv.Meta) {
	chunks := d.files[mark]
	require.NotEmpty(t, chunks, "no snapshot file %v", mark)
	machine, meta, err := RestoreMachine(o, func() ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		chunk := chunks[0]
		chunks = chunks[1:]
		return chunk, nil
	})
	require.NoError(t, err)
	return machine, meta
}

// step steps a node and prints what came of it.
func (s *stage) step(id uint64, events ...Event) {
	a := s.nodes[id]
	if a.crashed {
		return
	}
	if events = append(a.waiting, events...); s.later != nil && s.later() {
		a.waiting = events
		return
	}
	a.waiting = nil
	for i := 0; i == 0 || a.more && (s.later == nil || !s.later()); i++ {
		require.Less(s.check, i, 1000, "node %d always wants more", id)
		if i > 0 {
			events = nil
		}
		effects := a.node.Step(events...)
		a.more = effects.More
		s.carryOut(id, &effects)
	}
}

func (s *stage) carryOut(id uint64, e *Effects) {
	a := s.nodes[id]
	if e.Role != nil {
		s.printf("%d: %v of term %d, leader %d\n", id, e.Role.State, e.Role.Term, e.Role.Leader)
	}
	for i := range e.Appends {
		s.printf("%d: append %d: %s\n", id, e.Appends[i].ID, describeAppend(&e.Appends[i]))
	}
	a.appends = append(a.appends, e.Appends...)
	for _, m := range e.Messages {
		s.printf("%d: send %s\n", id, describeMessage(m))
		s.network = append(s.network, m)
	}
	for _, r := range e.Replies {
		s.printf("%d: reply %s\n", id, describeReply(&r))
		if s.onReply != nil {
			s.onReply(id, &r)
		}
	}
	if e.Members != nil {
		s.printf("%d: members %s\n", id, describeMembers(e.Members))
	}
	if e.Machine != nil {
		s.printf("%d: machine replaced, applied %d\n", id, e.Machine.Applied())
	}
	if e.Snapshot != nil {
		s.printf("%d: snapshot wanted at %d\n", id, e.Snapshot.Meta().Index)
		a.snapshot = e.Snapshot
	}
	if e.Compact > 0 {
		s.printf("%d: compact up to %d\n", id, e.Compact)
	}
	if e.Fatal != nil {
		s.printf("%d: fatal: %v\n", id, e.Fatal)
	}
}

func (s *stage) printf(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(&s.out, format, args...)
	}
}

// id is the directive's first bare argument.
func (s *stage) id(d *datadriven.TestData) uint64 {
	for _, arg := range d.CmdArgs {
		if id, err := strconv.ParseUint(arg.Key, 10, 64); err == nil {
			return id
		}
	}
	s.t.Fatalf("%s: no node named", d.Pos)
	return 0
}

func (s *stage) ids() []uint64 {
	var ids []uint64
	for id := range s.nodes {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// tick ID [n=N]: N ticks, one by one.
func (s *stage) tick(d *datadriven.TestData) {
	id, count := s.id(d), 1
	d.MaybeScanArgs(s.t, "n", &count)
	for range count {
		s.tickOnce(id)
	}
}

func (s *stage) tickOnce(id uint64) {
	a := s.nodes[id]
	a.now += a.config.TickNanos
	s.step(id, Event{Kind: EventTick, Now: a.now})
}

// match says whether a message is one that the directive means: from=, to=, type=.
func (s *stage) match(d *datadriven.TestData, m *raftpb.Message) bool {
	var from, to uint64
	var kind string
	d.MaybeScanArgs(s.t, "from", &from)
	d.MaybeScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "type", &kind)
	return (from == 0 || m.GetFrom() == from) && (to == 0 || m.GetTo() == to) && (kind == "" || m.GetType().String() == kind)
}

// take removes the messages that the directive means from the network.
func (s *stage) take(d *datadriven.TestData) []*raftpb.Message {
	var taken, kept []*raftpb.Message
	for _, m := range s.network {
		if s.match(d, m) {
			taken = append(taken, m)
		} else {
			kept = append(kept, m)
		}
	}
	s.network = kept
	return taken
}

// deliver [from=] [to=] [type=] [keep]: each message as a decoded copy; keep leaves the original for a late duplicate.
func (s *stage) deliver(d *datadriven.TestData) {
	messages := s.take(d)
	if d.HasArg("keep") {
		s.network = append(s.network, messages...)
	}
	for _, m := range messages {
		s.deliverOne(m)
	}
}

func (s *stage) deliverOne(m *raftpb.Message) {
	to := s.nodes[m.GetTo()]
	if to == nil || to.crashed {
		return
	}
	received, err := DecodeMessage(AppendMessage(nil, m))
	require.NoError(s.check, err)
	event := Event{Kind: EventReceive, Message: received}
	if m.GetType() == raftpb.MsgSnap {
		mark := markOf(m.GetSnapshot())
		from := s.nodes[m.GetFrom()]
		to.disk.files[mark] = from.disk.files[mark]
		machine, meta := to.disk.load(s.check, mark, to.config.Machine)
		event.Staged = &Staged{Machine: machine, Meta: meta}
	}
	s.step(m.GetTo(), event)
}

// drop [from=] [to=] [type=]: messages are lost.
func (s *stage) drop(d *datadriven.TestData) {
	for _, m := range s.take(d) {
		s.printf("lost %s\n", describeMessage(m))
	}
}

// persist ID [n=N]: the first N appends (default all) are durable.
func (s *stage) persist(d *datadriven.TestData) {
	id := s.id(d)
	count := len(s.nodes[id].appends)
	d.MaybeScanArgs(s.t, "n", &count)
	s.persistFirst(id, count)
}

func (s *stage) persistFirst(id uint64, count int) {
	a := s.nodes[id]
	if count == 0 || a.crashed {
		return
	}
	for i := range a.appends[:count] {
		a.disk.write(&a.appends[i])
	}
	last := a.appends[count-1].ID
	a.appends = a.appends[count:]
	s.step(id, Event{Kind: EventPersisted, ID: last})
}

func (d *disk) write(a *Append) {
	if a.Snapshot.Index > 0 {
		d.mark, d.entries = a.Snapshot, nil
	}
	if len(a.Entries) > 0 {
		kept := 0
		for kept < len(d.entries) && d.entries[kept].GetIndex() < a.Entries[0].GetIndex() {
			kept++
		}
		d.entries = append(d.entries[:kept:kept], a.Entries...)
	}
	if a.HardState.Term > 0 {
		d.hardState = a.HardState
	}
}

// stabilize [IDs] [quiet]: delivers and persists among the named nodes (default all) until nothing moves.
func (s *stage) stabilize(d *datadriven.TestData) {
	s.quiet = d.HasArg("quiet")
	s.settle(s.among(d, 1))
	s.quiet = false
}

// among is the nodes that the directive names, or all when it names fewer than least.
func (s *stage) among(d *datadriven.TestData, least int) map[uint64]bool {
	among := map[uint64]bool{}
	for _, arg := range d.CmdArgs {
		if id, err := strconv.ParseUint(arg.Key, 10, 64); err == nil {
			among[id] = true
		}
	}
	if len(among) >= least {
		return among
	}
	for id := range s.nodes {
		among[id] = true
	}
	return among
}

func (s *stage) settle(among map[uint64]bool) {
	for moved := true; moved; {
		moved = false
		for _, id := range s.ids() {
			if among[id] && !s.nodes[id].crashed && len(s.nodes[id].appends) > 0 {
				moved = true
				s.persistFirst(id, len(s.nodes[id].appends))
			}
		}
		var now, kept []*raftpb.Message
		for _, m := range s.network {
			if among[m.GetTo()] && among[m.GetFrom()] {
				now = append(now, m)
			} else {
				kept = append(kept, m)
			}
		}
		s.network = kept
		for _, m := range now {
			moved = true
			s.deliverOne(m)
		}
	}
}

// elect ID [with PEER...]: ticks a node until it campaigns, and settles among all or the named ones, without a word.
func (s *stage) elect(d *datadriven.TestData) {
	id := s.id(d)
	s.quiet = true
	for range s.nodes[id].config.ElectionTicks {
		s.tickOnce(id)
	}
	s.settle(s.among(d, 2))
	s.quiet = false
	s.printf("%d: %v of term %d\n", id, s.nodes[id].node.role.State, s.nodes[id].node.term)
}

// propose ID put|delete KEY... as input lines "ID: put k v".
func (s *stage) propose(d *datadriven.TestData) {
	id := s.id(d)
	var events []Event
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		request, command, ok := strings.Cut(line, ": ")
		require.True(s.t, ok, "%s: want \"REQUEST: put KEY VALUE\"", d.Pos)
		n, err := strconv.ParseUint(request, 10, 64)
		require.NoError(s.t, err)
		events = append(events, Event{Kind: EventPropose, ID: n, Command: parseCommand(s.t, command)})
	}
	s.step(id, events...)
}

func parseCommand(t *testing.T, line string) *kv.Command {
	words := strings.Fields(line)
	switch {
	case len(words) == 3 && words[0] == "put":
		return &kv.Command{Kind: kv.Put, Key: []byte(words[1]), Value: []byte(words[2])}
	case len(words) == 2 && words[0] == "delete":
		return &kv.Command{Kind: kv.Delete, Key: []byte(words[1])}
	}
	t.Fatalf("not a command: %q", line)
	return nil
}

// read ID req=R [stale-clock]: the batch carries the time as it is, unless stale-clock.
func (s *stage) read(d *datadriven.TestData) {
	id := s.id(d)
	var request uint64
	d.ScanArgs(s.t, "req", &request)
	events := []Event{{Kind: EventRead, ID: request}}
	if !d.HasArg("stale-clock") {
		events = append(events, Event{Kind: EventTick, Now: s.nodes[id].now})
	}
	s.step(id, events...)
}

// get ID KEY reads the machine.
func (s *stage) get(d *datadriven.TestData) {
	key := d.CmdArgs[1].Key
	item, revision, found := s.nodes[s.id(d)].node.Machine().Get([]byte(key))
	if !found {
		s.printf("%s: not found at revision %d\n", key, revision)
		return
	}
	s.printf("%s = %s at revision %d (mod %d)\n", key, item.Value, revision, item.ModRevision)
}

func (s *stage) crash(d *datadriven.TestData) {
	a := s.nodes[s.id(d)]
	a.crashed, a.appends, a.snapshot = true, nil, nil
}

func (s *stage) restart(d *datadriven.TestData) { s.start(s.id(d)) }

func (s *stage) transfer(d *datadriven.TestData) {
	var request, to uint64
	d.ScanArgs(s.t, "req", &request)
	d.MaybeScanArgs(s.t, "to", &to)
	s.step(s.id(d), Event{Kind: EventTransfer, ID: request, Peer: to})
}

// save ID [failed]: the wanted snapshot is written to a file.
func (s *stage) save(d *datadriven.TestData) {
	id := s.id(d)
	a := s.nodes[id]
	require.NotNil(s.t, a.snapshot, "%s: no snapshot is wanted", d.Pos)
	if d.HasArg("failed") {
		a.snapshot = nil
		s.step(id, Event{Kind: EventSnapshotSaved, Failed: true})
		return
	}
	s.saveSnapshot(id)
}

func (s *stage) saveSnapshot(id uint64) {
	a := s.nodes[id]
	meta := a.snapshot.Meta()
	var chunks [][]byte
	for done := false; !done; {
		var chunk []byte
		chunk, done = a.snapshot.Next(nil)
		chunks = append(chunks, chunk)
	}
	mark := SnapshotMark{Index: meta.Index, Term: meta.Term}
	a.disk.files[mark], a.snapshot = chunks, nil
	a.disk.reach(mark)
	s.step(id, Event{Kind: EventSnapshotSaved, Index: meta.Index})
}

// reach makes a snapshot the one to recover from.
func (d *disk) reach(mark SnapshotMark) {
	if mark.Index <= d.mark.Index {
		return
	}
	for len(d.entries) > 0 && d.entries[0].GetIndex() <= mark.Index {
		d.entries = d.entries[1:]
	}
	d.mark = mark
	d.hardState.Commit = max(d.hardState.Commit, mark.Index)
}

func (s *stage) sent(d *datadriven.TestData) {
	var peer uint64
	d.ScanArgs(s.t, "peer", &peer)
	s.step(s.id(d), Event{Kind: EventSnapshotSent, Peer: peer, Failed: d.HasArg("failed")})
}

func (s *stage) change(d *datadriven.TestData) {
	var request uint64
	var change MemberChange
	d.ScanArgs(s.t, "req", &request)
	for kind, name := range map[ChangeKind]string{AddLearner: "add", Promote: "promote", Remove: "remove"} {
		if d.HasArg(name) {
			var id uint64
			d.ScanArgs(s.t, name, &id)
			change = MemberChange{Kind: kind, Member: testMembers(id)[0]}
		}
	}
	s.step(s.id(d), Event{Kind: EventChangeMember, ID: request, Change: &change})
}

func (s *stage) diskReserve(d *datadriven.TestData) {
	s.step(s.id(d), Event{Kind: EventDiskReserve, Failed: d.HasArg("low")})
}

func (s *stage) cancel(d *datadriven.TestData) {
	var request uint64
	d.ScanArgs(s.t, "req", &request)
	s.step(s.id(d), Event{Kind: EventCancel, ID: request})
}

// hold ID for=TICKS: time passes while the node is not stepped.
func (s *stage) hold(d *datadriven.TestData) {
	var ticks int64
	d.ScanArgs(s.t, "for", &ticks)
	a := s.nodes[s.id(d)]
	a.now += ticks * a.config.TickNanos
}

func (s *stage) status(d *datadriven.TestData) {
	for _, id := range s.ids() {
		if a := s.nodes[id]; a.crashed {
			s.printf("%d: crashed\n", id)
		} else {
			st := a.node.Status()
			s.printf("%d: %v of term %d, leader %d, log [%d, %d], commit %d, applied %d, snapshot %d, pending %d, reads %d, ready %v\n", id,
				st.Role.State, st.Role.Term, st.Role.Leader, st.FirstIndex, st.LastIndex, st.Commit, st.Applied, st.Snapshot, st.Pending, st.Reads, st.Ready)
		}
	}
}

func (s *stage) showNetwork(*datadriven.TestData) {
	for _, m := range s.network {
		s.printf("%s\n", describeMessage(m))
	}
}

func describeAppend(a *Append) string {
	var b strings.Builder
	fmt.Fprintf(&b, "term %d vote %d commit %d", a.HardState.Term, a.HardState.Vote, a.HardState.Commit)
	if a.Snapshot.Index > 0 {
		fmt.Fprintf(&b, ", snapshot %d of term %d", a.Snapshot.Index, a.Snapshot.Term)
	}
	b.WriteString(describeEntries(a.Entries))
	if !a.Sync {
		b.WriteString(", no sync")
	}
	return b.String()
}

func describeEntries(entries []*raftpb.Entry) string {
	if len(entries) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(", entries")
	for _, e := range entries {
		fmt.Fprintf(&b, " %d/%d", e.GetTerm(), e.GetIndex())
		switch {
		case e.GetType() == raftpb.EntryConfChangeV2:
			cc := &raftpb.ConfChangeV2{}
			_ = proto.Unmarshal(e.GetData(), cc)
			fmt.Fprintf(&b, "{conf change of %d}", cc.GetChanges()[0].GetNodeId())
		case len(e.GetData()) == 0:
			b.WriteString("{}")
		default:
			batch, _ := kv.DecodeBatch(e.GetData())
			fmt.Fprintf(&b, "{%d.%d.%d", batch.ID.Node, batch.ID.Epoch, batch.ID.Sequence)
			for _, c := range batch.Commands {
				fmt.Fprintf(&b, " %s=%s", c.Key, c.Value)
			}
			b.WriteString("}")
		}
	}
	return b.String()
}

func describeMessage(m *raftpb.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d->%d %v", m.GetFrom(), m.GetTo(), m.GetType())
	if m.GetTerm() > 0 {
		fmt.Fprintf(&b, " term %d", m.GetTerm())
	}
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgVote, raftpb.MsgPreVote:
		fmt.Fprintf(&b, " after %d/%d commit %d%s", m.GetLogTerm(), m.GetIndex(), m.GetCommit(), describeEntries(m.GetEntries()))
	case raftpb.MsgAppResp:
		fmt.Fprintf(&b, " index %d", m.GetIndex())
	case raftpb.MsgSnap:
		fmt.Fprintf(&b, " index %d", m.GetSnapshot().GetMetadata().GetIndex())
	case raftpb.MsgReadIndexResp:
		fmt.Fprintf(&b, " index %d", m.GetIndex())
	}
	if m.GetReject() {
		b.WriteString(" rejected")
	}
	return b.String()
}

func describeReply(r *Reply) string {
	s := fmt.Sprintf("%d: %v", r.ID, r.Outcome)
	if r.Outcome != Done {
		return s + fmt.Sprintf(" (%v), leader %d", r.Reason, r.Leader)
	}
	switch {
	case r.Index > 0:
		s += fmt.Sprintf(", read at %d", r.Index)
	case r.Result.Revision > 0:
		s += fmt.Sprintf(" at revision %d", r.Result.Revision)
	}
	return s
}

func describeMembers(m *Membership) string {
	var words []string
	for _, member := range m.Members {
		word := strconv.FormatUint(member.ID, 10)
		if member.Learner {
			word += " (learner)"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
