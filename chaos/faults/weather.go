package faults

import (
	"time"

	"github.com/lockstepdb/lockstep/chaos/network"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// cut is what a direction that is cut is like.
func (f *Fault) cut() network.Condition {
	if f.How == Refuse {
		return network.Condition{Refuse: true}
	}
	return network.Condition{Cut: true}
}

// weatherOf is what a fault of the network does to it, among n nodes.
func weatherOf(f *Fault, slot, n int) network.Weather {
	w := network.Weather{}
	switch f.Do {
	case plan.Partition:
		partition(w, f, n)
	case plan.Isolate, plan.Flap:
		toPeers(w, slot, n, f.cut())
	case plan.OneWay:
		each(slot, n, f.Peer, func(peer int) { w.Add(network.Link{From: slot, To: peer}, f.cut()) })
	case plan.Ring:
		ring(w, n, f.cut())
	case plan.Clog:
		each(slot, n, f.Peer, func(peer int) { w.Both(slot, peer, network.Condition{Hold: true}) })
	case plan.ClientCut:
		w.Both(network.Clients, slot, f.cut())
	case plan.Slow:
		everywhere(w, slot, n, network.Condition{Delay: time.Duration(f.Latency)})
	case Jitter:
		everywhere(w, slot, n, network.Condition{Jitter: time.Duration(f.Latency)})
	case Bandwidth:
		everywhere(w, slot, n, network.Condition{BytesPerSecond: f.BytesPerSecond})
	case HalfOpen:
		everywhere(w, slot, n, network.Condition{HalfOpen: true})
	case SlowClose:
		everywhere(w, slot, n, network.Condition{CloseDelay: time.Duration(f.Latency)})
	}
	return w
}

// each visits the peer that is named, or all.
func each(slot, n int, peer plan.Target, do func(int)) {
	for other := 1; other <= n; other++ {
		if other != slot && (peer.Node() == 0 || peer.Node() == other) {
			do(other)
		}
	}
}

func toPeers(w network.Weather, slot, n int, c network.Condition) {
	each(slot, n, "", func(peer int) { w.Both(slot, peer, c) })
}

func everywhere(w network.Weather, slot, n int, c network.Condition) {
	toPeers(w, slot, n, c)
	w.Both(network.Clients, slot, c)
}

// partition cuts what lies between groups; a node in none is alone.
func partition(w network.Weather, f *Fault, n int) {
	group := map[int]int{}
	for g, nodes := range f.Groups {
		for _, n := range nodes {
			group[n] = g + 1
		}
	}
	for a := 1; a <= n; a++ {
		for b := a + 1; b <= n; b++ {
			if group[a] != group[b] || group[a] == 0 {
				w.Both(a, b, f.cut())
			}
		}
	}
}

// ring leaves each node its nearest neighbours. Three nodes are all neighbours of each other: they stand in a line.
func ring(w network.Weather, n int, c network.Condition) {
	for a := 1; a <= n; a++ {
		for b := a + 2; b <= n; b++ {
			if a != 1 || b != n || n <= 3 {
				w.Both(a, b, c)
			}
		}
	}
}
