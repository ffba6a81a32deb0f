// Package proxy is a network.Network of TCP proxies on loopback, one for each address of a node.
//
// New makes an empty Network; Add puts a proxy in front of an address and returns the one to connect to instead. A
// connection has two directions, each with a reader, a bounded queue and a writer that asks its gate whether and when bytes
// may pass. Who connects is told by Identify, since all peers of a node connect to one address, as they would without
// proxies: founding nodes must be given the same addresses.
package proxy

const (
	// chunkBytes is how much is read at once, and chunksMax how many chunks wait in one direction of a connection; the reader
	// waits when there are more, so that a direction that is held back fills the sender's own buffers.
	chunkBytes = 16 << 10
	chunksMax  = 32
	// connectionsMax bounds the open connections of one proxy; more are reset.
	connectionsMax = 4096
)
