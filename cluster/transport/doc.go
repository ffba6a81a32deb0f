// Package transport carries what nodes say to each other over gRPC.
//
// Use New with a Handler, Serve to accept peers, SetPeers to say whom to dial, and then Send for raft messages, Forward
// for requests that the leader must answer, SendSnapshot for a snapshot file, and Meet for a handshake alone.
//
// # Model
//
// Every node dials every other one and sends on the streams that it dialled; what it receives arrives on streams that the
// peer dialled. For each peer there are three lasting links, each a connection and a stream of its own:
//
//	control   heartbeats, votes, read rounds, their responses, and the hand-over of leadership
//	bulk      appends and everything else of raft
//	forward   requests up, their answers down on the same stream
//
// A snapshot goes over a fourth connection that lives as long as the transfer. Separate connections, and not only
// streams, because streams of one connection share its window and its TCP queue: an append of many megabytes would hold
// up the heartbeat behind it.
//
// A gRPC message is a sequence of frames, each a kind, a length and a payload (see frame.go); all that is queued for a
// peer goes out in one gRPC message, up to flushBytes. No protobuf reflection is involved: the codec passes bytes on.
//
// # Handshake
//
// The first frame both ways is a Hello. It names protocol, cluster, node and instance of its sender and whom it believes to talk
// to. The acceptor judges first and answers with its own Hello or with a Refusal; then the dialler judges. Handler.Verify
// has the last word on both sides; it may record the peer durably before it returns, which is what the formation of a
// cluster rests on. The handshake is bounded by handshakeTimeout.
//
// # Guarantees
//
//   - A raft message is delivered at most once per Send, to the node and instance it was meant for, or dropped. A drop and a
//     broken link are reported by Handler.Unreachable, once per episode.
//   - Send, Forward and answers never block. Each queue is bounded by messages and by bytes.
//   - A forwarded request is answered exactly once: by the peer; or as Unknown (ReasonConnectionLost) when it may have left
//     and its stream broke; or as Refused when it certainly did not leave.
//   - A received message is decoded into memory of its own.
//   - A peer that does not answer pings for peerSilenceMax loses its connections and is dialled again.
package transport
