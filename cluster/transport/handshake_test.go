package transport

import (
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/cluster"
)

func TestMeetTellsWhatThePeerSaysOfItself(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	b.mu.Lock()
	b.known[1] = instanceOf(1)
	b.mu.Unlock()
	h, err := a.Meet(background(t), 2, b.address)
	require.NoError(t, err)
	require.Equal(t, Hello{
		Version: ProtocolVersion, Cluster: "c", Node: 2, Instance: instanceOf(2), Address: b.address,
		Target: 1, TargetInstance: instanceOf(1), Founding: 7, Met: []Met{{Node: 2, Instance: instanceOf(2)}},
	}, h)
}

// What the acceptor records is in its answer: it verifies first.
func TestThePeerIsVerifiedBeforeTheAnswer(t *testing.T) {
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	b.verify = func(h Hello) error { b.known[h.Node] = h.Instance; return nil }
	h, err := a.Meet(background(t), 2, b.address)
	require.NoError(t, err)
	require.Equal(t, instanceOf(1), h.TargetInstance)
}

func TestHandshakeRefusals(t *testing.T) {
	tests := []struct {
		name    string
		arrange func(a, b *endpoint)
		target  uint64
		code    RefusalCode
		text    string
	}{
		{"cluster", func(a, b *endpoint) { b.cluster = "other" }, 2, RefusedCluster,
			`node 1 is refused by node 2: it belongs to cluster "c" and node 2 belongs to cluster "other"`},
		{"another node at the address", func(a, b *endpoint) {}, 3, RefusedTarget, "it looks for node 3 and found node 2"},
		{"instance of the dialler", func(a, b *endpoint) { b.known[1] = instanceOf(9) }, 2, RefusedInstance,
			"node 1 came back with another instance: its directory was lost; remove the member and add it under a new id"},
		{"instance of the acceptor", func(a, b *endpoint) { a.known[2] = instanceOf(9) }, 2, RefusedInstance,
			"node 2 came back with another instance: its directory was lost; remove the member and add it under a new id"},
		{"removed", func(a, b *endpoint) {
			b.verify = func(h Hello) error {
				return &Refusal{Code: RefusedRemoved, Node: h.Node, By: 2, Text: "it was removed"}
			}
		}, 2, RefusedRemoved, "it was removed"},
		{"a failure of the acceptor", func(a, b *endpoint) {
			b.verify = func(h Hello) error { return errors.New("disk broke") }
		}, 2, RefusedFailed, "disk broke"},
		{"by the dialler", func(a, b *endpoint) {
			a.verify = func(h Hello) error {
				return &Refusal{Code: RefusedUnknown, Node: h.Node, By: 1, Text: "who is that"}
			}
		}, 2, RefusedUnknown, "who is that"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := newEndpoint(t, 1), newEndpoint(t, 2)
			test.arrange(a, b)
			_, err := a.Meet(background(t), test.target, b.address)
			r := refusalOf(t, err)
			require.Equal(t, test.code, r.Code, r.Text)
			require.Contains(t, r.Error(), test.text)
		})
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	own := Hello{Version: ProtocolVersion, Cluster: "c", Node: 2}
	theirs, err := decodeHello(appendHello(nil, &Hello{Version: 9, Cluster: "c", Node: 1, Target: 2}))
	require.NoError(t, err)
	r := judge(&own, &theirs)
	require.Equal(t, RefusedVersion, r.Code)
	require.Contains(t, r.Text, "version 9")
}

func TestANodeWithThisNodesIDIsRefused(t *testing.T) {
	h := Hello{Version: ProtocolVersion, Cluster: "c", Node: 2, Target: 2}
	require.Equal(t, RefusedTarget, judge(&h, &h).Code)
}

// A refused link keeps trying, tells the handler, and carries nothing.
func TestARefusedLinkCarriesNothing(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	b.mu.Lock()
	b.known[1] = instanceOf(9)
	b.mu.Unlock()
	connect(a, b)
	eventually(t, "the refusal is told", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.refused) > 2
	})
	require.False(t, a.connected(2, Control))
	require.Zero(t, a.stats(2, Bulk).SentFrames)
	b.mu.Lock()
	b.known[1] = cluster.Instance{}
	delete(b.known, 1)
	b.mu.Unlock()
	awaitLinks(t, a, b)
}

// Someone who connects and says nothing, or nonsense, does not hold a stream for ever and hurts nobody.
func TestStrangersAreDisconnected(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	conn, err := net.Dial("tcp", a.address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	connect(a, b)
	awaitLinks(t, a, b)
}

func FuzzHello(f *testing.F) {
	f.Add(appendHello(nil, &Hello{Version: ProtocolVersion, Cluster: "c", Node: 1, Instance: instanceOf(1), Address: "h:1", Target: 2, Formed: true, Founding: 8, Met: []Met{{1, instanceOf(1)}}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err != nil || h.Version != ProtocolVersion {
			return
		}
		again, err := decodeHello(appendHello(nil, &h))
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}
