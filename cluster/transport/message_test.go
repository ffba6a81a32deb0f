package transport

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.etcd.io/raft/v3/raftpb"
)

func TestMessagesReachTheNodeTheyAreFor(t *testing.T) {
	noLeaks(t)
	a, b, c := newEndpoint(t, 1), newEndpoint(t, 2), newEndpoint(t, 3)
	connect(a, b, c)
	awaitLinks(t, a, b, c)
	sent := message(raftpb.MsgApp, 1, 2, 1000)
	sent.Entries[0].Data[7] = 42
	a.Send([]*raftpb.Message{sent, message(raftpb.MsgHeartbeat, 1, 2, 0), message(raftpb.MsgHeartbeat, 1, 3, 0), message(raftpb.MsgApp, 1, 77, 0)})
	eventually(t, "all arrive", func() bool {
		return b.count(raftpb.MsgApp) == 1 && b.count(raftpb.MsgHeartbeat) == 1 && c.count(raftpb.MsgHeartbeat) == 1
	})
	require.Zero(t, c.count(raftpb.MsgApp))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.received {
		if m.GetType() == raftpb.MsgApp {
			require.Equal(t, uint64(1), m.GetFrom())
			require.Equal(t, uint64(9), m.GetIndex())
			require.Equal(t, sent.Entries[0].Data, m.Entries[0].Data)
			require.NotSame(t, &sent.Entries[0].Data[0], &m.Entries[0].Data[0])
		}
	}
	require.Equal(t, uint64(1), a.stats(2, Bulk).SentFrames)
}

// A flood of appends that the peer does not read fills the bulk queue and nothing else.
func TestAFloodOfAppendsDoesNotDelayHeartbeats(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	connect(a, b)
	awaitLinks(t, a, b)
	b.stall()
	const appends = 120 // of 1 MiB: windows and the queue hold about 70
	for range appends {
		a.Send([]*raftpb.Message{message(raftpb.MsgApp, 1, 2, 1<<20)})
	}
	for n := 1; n <= 20; n++ {
		a.Send([]*raftpb.Message{message(raftpb.MsgHeartbeat, 1, 2, 0)})
		eventually(t, "a heartbeat passes", func() bool { return b.count(raftpb.MsgHeartbeat) >= n })
	}
	require.Zero(t, b.count(raftpb.MsgApp), "the flood was over before the heartbeats: the test shows nothing")
	dropped := a.stats(2, Bulk).Dropped
	require.Positive(t, dropped, "the queue's bound was not reached")
	require.Less(t, dropped, uint64(appends))
	require.Equal(t, 1, a.drops(2), "an episode is reported once")
	b.release()
	eventually(t, "the rest arrives", func() bool { return b.count(raftpb.MsgApp) == appends-int(dropped) })

	b.stall()
	for range appends {
		a.Send([]*raftpb.Message{message(raftpb.MsgApp, 1, 2, 1<<20)})
	}
	eventually(t, "the next episode is reported again", func() bool { return a.drops(2) == 2 })
}

func TestQueuesAreBounded(t *testing.T) {
	o := newOutbox(10, 10_000)
	for range 10 {
		queued, first := o.push(message(raftpb.MsgHeartbeat, 1, 2, 0))
		require.True(t, queued)
		require.False(t, first)
	}
	queued, first := o.push(message(raftpb.MsgHeartbeat, 1, 2, 0))
	require.False(t, queued)
	require.True(t, first)
	_, first = o.push(message(raftpb.MsgHeartbeat, 1, 2, 0))
	require.False(t, first)
	_, n := o.take(nil)
	require.Equal(t, 10, n)
	o.sent()
	queued, _ = o.push(message(raftpb.MsgApp, 1, 2, 20_000))
	require.True(t, queued, "a message above the bound passes alone")
	queued, first = o.push(message(raftpb.MsgApp, 1, 2, 100))
	require.False(t, queued)
	require.True(t, first, "a new episode")
}

func TestFlushesAreBounded(t *testing.T) {
	o := newOutbox(bulkMessagesMax, bulkBytesMax)
	for range 5 {
		o.push(message(raftpb.MsgApp, 1, 2, flushBytes*2/5))
	}
	for _, want := range []int{2, 2, 1, 0} {
		b, n := o.take(nil)
		require.Equal(t, want, n)
		require.LessOrEqual(t, len(b), flushBytes)
	}
	require.Zero(t, o.bytes)
}

func TestLinksComeBack(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	p := newProxy(t, b.address)
	a.SetPeers(map[uint64]string{2: p.listener.Addr().String()})
	eventually(t, "up", func() bool { return a.connected(2, Control) && a.connected(2, Bulk) })
	p.sever()
	eventually(t, "the break is reported", func() bool { return a.drops(2) > 0 })
	eventually(t, "down", func() bool { return !a.connected(2, Control) && !a.connected(2, Bulk) })
	reported := a.drops(2)
	for range 100 {
		a.Send([]*raftpb.Message{message(raftpb.MsgApp, 1, 2, 10)})
	}
	require.LessOrEqual(t, a.drops(2), reported+1, "one report an episode")
	p.mend()
	eventually(t, "up again", func() bool { return a.connected(2, Control) && a.connected(2, Bulk) })
	a.Send([]*raftpb.Message{message(raftpb.MsgApp, 1, 2, 11), message(raftpb.MsgVote, 1, 2, 0)})
	eventually(t, "carrying again", func() bool { return b.count(raftpb.MsgVote) == 1 && b.count(raftpb.MsgApp) >= 1 })
	require.GreaterOrEqual(t, a.stats(2, Control).Connects, uint64(2))
}

// A peer that comes back dials at once, and that ends the backoff of whoever waits for it.
func TestAPeerThatDialsEndsTheBackoff(t *testing.T) {
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	p := &peer{id: 2, counters: &counters{}, t: a.Transport, cancel: func() {}} // its links do not run
	p.control, p.bulk, p.forward = newLink(p, Control, nil), newLink(p, Bulk, nil), newLink(p, Forward, nil)
	a.mu.Lock()
	a.peers[2] = p
	a.mu.Unlock()
	b.SetPeers(map[uint64]string{1: a.address})
	for _, l := range []*link{p.control, p.bulk, p.forward} {
		require.True(t, l.pause(background(t), time.Hour))
	}
}

// A peer that accepts and then says nothing any more is found out by missing pongs.
func TestASilentPeerIsDialledAgain(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	p := newProxy(t, b.address)
	f := newFreezer(t, p.listener.Addr().String())
	a.SetPeers(map[uint64]string{2: f.listener.Addr().String()})
	eventually(t, "up", func() bool { return a.connected(2, Control) && a.connected(2, Bulk) })
	f.freeze()
	eventually(t, "the silence is noticed", func() bool { return !a.connected(2, Control) })
	eventually(t, "on the other links too", func() bool { return !a.connected(2, Bulk) })
	f.thaw()
	eventually(t, "up again", func() bool { return a.connected(2, Control) && a.connected(2, Bulk) })
}

func TestAPeerThatMovesOrGoes(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	a.SetPeers(map[uint64]string{2: "127.0.0.1:1"})
	a.SetPeers(map[uint64]string{2: b.address})
	eventually(t, "up", func() bool { return a.connected(2, Control) })
	connects := a.stats(2, Control).Connects
	a.SetPeers(nil)
	eventually(t, "down", func() bool { return !a.connected(2, Control) })
	require.Equal(t, connects, a.stats(2, Control).Connects, "counters stay")
	a.Send([]*raftpb.Message{message(raftpb.MsgHeartbeat, 1, 2, 0)})
	require.Zero(t, b.count(raftpb.MsgHeartbeat))
}

func TestMessagesInAnothersNameAreRefused(t *testing.T) {
	e := &Transport{node: 2}
	for name, m := range map[string]*raftpb.Message{
		"another sender":   message(raftpb.MsgHeartbeat, 3, 2, 0),
		"another receiver": message(raftpb.MsgHeartbeat, 1, 3, 0),
		"a local message":  message(raftpb.MsgHup, 1, 2, 0),
		"a proposal":       message(raftpb.MsgProp, 1, 2, 5),
		"a snapshot":       message(raftpb.MsgSnap, 1, 2, 0),
	} {
		require.Error(t, e.legitimate(1, m), name)
	}
	require.NoError(t, e.legitimate(1, message(raftpb.MsgApp, 1, 2, 5)))
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, framePing, nil), frameChunk, []byte("abc")))
	f.Add([]byte{3, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		w := frames{b: b}
		for w.more() {
			k, payload, err := w.next()
			if err != nil {
				return
			}
			again = appendFrame(again, k, payload)
		}
		require.Equal(t, len(b), len(again))
		require.Equal(t, string(b), string(again))
	})
}

// freezer is a proxy that can stop passing bytes on without closing anything.
type freezer struct {
	listener net.Listener
	target   string
	mu       sync.RWMutex // held for writing while frozen
}

func newFreezer(t *testing.T, target string) *freezer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &freezer{listener: l, target: target}
	t.Cleanup(func() { l.Close() })
	go f.run()
	return f
}

func (f *freezer) freeze() { f.mu.Lock() }
func (f *freezer) thaw()   { f.mu.Unlock() }

func (f *freezer) run() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		o, err := net.DialTimeout("tcp", f.target, time.Second)
		if err != nil {
			c.Close()
			continue
		}
		go f.pipe(c, o)
		go f.pipe(o, c)
	}
}

func (f *freezer) pipe(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := b.Read(buffer)
		if err != nil {
			return
		}
		f.mu.RLock() // waits while frozen
		_, err = a.Write(buffer[:n])
		f.mu.RUnlock()
		if err != nil {
			return
		}
	}
}
