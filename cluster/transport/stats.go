package transport

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// LinkKind names what a connection carries.
type LinkKind uint8

const (
	Control LinkKind = iota
	Bulk
	Forward
	Snapshot
	linkKinds
)

// LinkKinds are all of them, for labels.
var LinkKinds = [linkKinds]LinkKind{Control, Bulk, Forward, Snapshot}

func (k LinkKind) String() string {
	return [...]string{"control", "bulk", "forward", "snapshot"}[k]
}

// counters of one peer, by kind of link.
type counters [linkKinds]struct {
	sentFrames, sentBytes, receivedFrames, receivedBytes, dropped, connects atomic.Uint64
	connected                                                               atomic.Int64
}

// PeerStats is what the transport counted for one peer and kind of link since it began.
type PeerStats struct {
	Peer uint64
	Kind LinkKind
	// Frames and bytes as encoded, without HTTP/2 and TCP. Received is what came on streams of that kind that the peer dialled,
	// and answers to forwarded requests.
	SentFrames, SentBytes, ReceivedFrames, ReceivedBytes uint64
	Dropped                                              uint64 // messages or requests that were not sent
	Connects                                             uint64 // handshakes that this node began and that came through
	Connected                                            bool   // this node's own link is up
}

// Stats returns the counters of all peers that were ever dialled, by id and kind.
func (t *Transport) Stats() []PeerStats {
	t.mu.RLock()
	all := map[uint64]*counters{}
	for id, c := range t.idle {
		all[id] = c
	}
	for id, p := range t.peers {
		all[id] = p.counters
	}
	t.mu.RUnlock()
	var out []PeerStats
	for id, c := range all {
		for _, k := range LinkKinds {
			out = append(out, c.read(id, k))
		}
	}
	slices.SortFunc(out, func(a, b PeerStats) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func (c *counters) read(id uint64, k LinkKind) PeerStats {
	l := &c[k]
	return PeerStats{
		Peer: id, Kind: k, Dropped: l.dropped.Load(), Connects: l.connects.Load(), Connected: l.connected.Load() > 0,
		SentFrames: l.sentFrames.Load(), SentBytes: l.sentBytes.Load(),
		ReceivedFrames: l.receivedFrames.Load(), ReceivedBytes: l.receivedBytes.Load(),
	}
}

// received counts a gRPC message that came from the peer, if the peer is one that this node dials too.
func (t *Transport) received(from uint64, k LinkKind, frames, bytes int) {
	if p := t.peer(from); p != nil {
		p.counters[k].receivedFrames.Add(uint64(frames))
		p.counters[k].receivedBytes.Add(uint64(bytes))
	}
}
