package host

import "time"

// Bounds and intervals of the driver that no configuration changes.
const (
	stepEventsMax    = 8192      // events given to one Step
	receivedBytesMax = 128 << 20 // raft messages that wait for the loop; above it they are dropped, as a network would
	transfersOutMax  = 2         // snapshots being sent at a time; the node asks again for others

	meetIntervalMin  = 50 * time.Millisecond // between handshakes with a founding node that is not ready
	meetIntervalMax  = 500 * time.Millisecond
	progressInterval = 2 * time.Second // lines about something that takes long
	diskInterval     = time.Second     // between looks at free disk
	statusInterval   = 25 * time.Millisecond
	transferTimeout  = 2 * time.Second // handing leadership over on a graceful stop
	drainInterval    = 2 * time.Millisecond
	// leaderPollInterval is how often a transfer looks whether this node has heard of the new leader.
	leaderPollInterval = 2 * time.Millisecond
)
