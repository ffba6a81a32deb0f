// Package workload uses a store as many clients do at once, and records what they were told.
//
// Start begins a Load and Stop ends it; Verify then reads every key that was touched. Operations go through every public
// way in that the driver has, on a few hot keys and on many others. Every value that is written is unique, so that a read
// tells which write it saw. The history goes to a linearizability.Recorder as it happens; what is kept in memory is a
// Timeline of counts and latencies, and the names of the keys.
package workload

import "time"

const (
	// operationTimeout is how long a client waits for an operation.
	operationTimeout = 3 * time.Second
	// workersPerConnection share one driver.Client.
	workersPerConnection = 4
	// seenMax bounds the revisions that a worker remembers, for conditional writes.
	seenMax = 256
	// verifyWorkers read at once at the end, verifyTimeout bounds one of their attempts.
	verifyWorkers = 16
	verifyTimeout = 5 * time.Second
)
