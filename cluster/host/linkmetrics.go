package host

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstepdb/lockstep/cluster/transport"
)

// linkCounter is one number that the transport keeps for each peer and link (control, bulk, forward, snapshot).
type linkCounter struct {
	name, help string
	kind       prometheus.ValueType
	read       func(*transport.PeerStats) float64
}

var linkCounters = []linkCounter{
	{"peer_sent_messages_total", "Messages sent to the peer, by link.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.SentFrames) }},
	{"peer_sent_bytes_total", "Bytes sent to the peer, by link.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.SentBytes) }},
	{"peer_received_messages_total", "Messages received from the peer, by link.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.ReceivedFrames) }},
	{"peer_received_bytes_total", "Bytes received from the peer, by link.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.ReceivedBytes) }},
	{"peer_dropped_messages_total", "Messages that were not sent because the link was down or its queue full, by link.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.Dropped) }},
	{"peer_connects_total", "Connections made to the peer, by link; all but the first are reconnects.", prometheus.CounterValue, func(s *transport.PeerStats) float64 { return float64(s.Connects) }},
	{"peer_connected", "1 while the link to the peer is up.", prometheus.GaugeValue, func(s *transport.PeerStats) float64 { return bit(s.Connected) }},
}

func (l linkCounter) gauge() gauge {
	return gauge{name: l.name, help: l.help, kind: l.kind, labels: []string{"peer", "link"}, read: func(r *reading) (out []sample) {
		for _, s := range r.host.transport.Stats() {
			out = append(out, sample{value: l.read(&s), labels: []string{strconv.FormatUint(s.Peer, 10), s.Kind.String()}})
		}
		return out
	}}
}
