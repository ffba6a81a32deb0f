package transport

import "time"

// Bounds of queues, frames and waits. Bytes are counted as encoded, within a few per cent.
const (
	controlMessagesMax = 4096    // queued for one peer
	controlBytesMax    = 4 << 20 // queued for one peer; read rounds carry small contexts
	bulkMessagesMax    = 4096    // queued for one peer; above cluster.Config.InflightMax
	bulkBytesMax       = 64 << 20
	forwardCallsMax    = 65536 // queued or without an answer, for one peer
	forwardBytesMax    = 64 << 20
	answersMax         = 65536 // calls of one peer's stream that are being answered

	flushBytes    = 1 << 20  // frames that go out in one gRPC message, unless a single one is larger
	FrameBytesMax = 64 << 20 // largest gRPC message that is accepted; a single raft entry or snapshot chunk must fit
	helloBytesMax = 64 << 10

	handshakeTimeout  = 2 * time.Second // dialling, both Hellos and the durable record in between
	pingInterval      = 500 * time.Millisecond
	peerSilenceMax    = 3 * time.Second  // without a pong on the control link
	keepaliveInterval = 10 * time.Second // between gRPC's own pings; the least that it allows
	backoffMin        = 20 * time.Millisecond
	backoffMax        = time.Second

	snapshotSilenceMax   = 10 * time.Second // without progress of a transfer
	snapshotBusyInterval = time.Second      // how often a receiver that is still building says so

	windowBytes     = 4 << 20 // HTTP/2 window of bulk and snapshot connections
	refusalLogEvery = 30 * time.Second
)
