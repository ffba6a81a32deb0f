package sim

import "github.com/lockstepdb/lockstep/sim/trace"

// Probe is something that must happen sometimes: a check that nothing ever puts to the test proves nothing.
type Probe struct {
	Name  string // as reports and traces tell it
	Title string // what happened, in a sentence
	// Seldom: a run of some hundred lives may do without.
	Seldom bool
}

// Probes lists all of them.
func Probes() []Probe { return append([]Probe(nil), probes[:]...) }

type probe uint8

// The probes. None is told by the node: each is seen in its effects, its messages, its answers, or on its disk.
const (
	// Of elections.
	probePreVoteRefused probe = iota
	probeVoteRefused
	probeNoWinner
	probeCheckQuorum
	probeTwoLeaders
	probeLeaderLostRequests
	probeLeaderLostUnknown
	probeTransferDone
	probeTransferFailed
	// Of the log.
	probeOverwritten
	probeOlderTerm
	probeUnreported
	probeTornTail
	probeSegmentRecycled
	probeAppendsWaited
	probeCompactedPast
	probeRecoveredBacklog
	// Of snapshots.
	probeSnapshotSaved
	probeSnapshotNotSaved
	probeSnapshotBeside
	probeSnapshotReceived
	probeSnapshotInFlight
	probeSnapshotRefused
	probeSnapshotUseless
	probeSnapshotBroken
	probeSnapshotSkipped
	probeSnapshotStart
	// Of requests.
	probeExpired
	probeSuperseded
	probeOverloaded
	probeDiskLow
	probeDataFull
	probeConditionFailed
	probeRetryAfterUnknown
	probeDeduplicated
	probeEvicted
	probeSessionExpired
	probeClientDied
	probeUndecided
	// Of reads.
	probeFollowerRead
	probeReadOverChange
	probeReadExpired
	probeLeaseRead
	probeLeaseOver
	probeStaleOld
	// Of members.
	probeMemberAdded
	probeMemberPromoted
	probeMemberRemoved
	probeLeaderRemoved
	probeChangePartitioned
	probeLearnerBehind
	probeStranger
	// Of processes and disks.
	probeAllDown
	probeEnded
	probeRecoveryPower
	probeRecoveryError
	probeChosenOperation
	probeCount
)

var probes = [probeCount]Probe{
	probePreVoteRefused:     {"vote refused by pre-vote", "a node would not have voted, so that nobody campaigned", false},
	probeVoteRefused:        {"vote refused", "a candidate was told no", false},
	probeNoWinner:           {"election without winner", "a candidate had to begin another term", false},
	probeCheckQuorum:        {"leader stepped down unasked", "a leader that heard from no quorum gave up within its term", false},
	probeTwoLeaders:         {"two leaders of different terms", "an old leader did not know yet that another one leads", false},
	probeLeaderLostRequests: {"leader lost with requests open", "a leader stepped down while clients waited for it", false},
	probeLeaderLostUnknown:  {"leader lost with unknown outcomes", "a node that had led told a client that an outcome is unknown", false},
	probeTransferDone:       {"leadership transferred", "a transfer was asked for, and another node led", false},
	probeTransferFailed:     {"transfer failed", "a transfer was asked for, and given up", false},
	probeOverwritten:        {"entries overwritten", "a node replaced the end of its log by another leader's", false},
	probeOlderTerm:          {"entry of an earlier term committed", "a leader committed what another one had appended", false},
	probeUnreported:         {"durable append never reported", "power was lost between the sync and the node's hearing of it", false},
	probeTornTail:           {"torn tail cut on recovery", "a write that had been under way was cut off the log", false},
	probeSegmentRecycled:    {"segment recycled", "a new segment was written over an old one's file", false},
	probeAppendsWaited:      {"appends waited for a slow disk", "a node handed out several appends before the first was durable", false},
	probeCompactedPast:      {"log compacted past a follower", "a leader dropped entries that a member did not have yet", false},
	probeRecoveredBacklog:   {"started with entries not known to be committed", "a node came back with a log that goes beyond its commit index", false},
	probeSnapshotSaved:      {"snapshot saved", "a node wrote its state to a file", false},
	probeSnapshotNotSaved:   {"snapshot could not be saved", "the file could not be written", false},
	probeSnapshotBeside:     {"entries applied while a snapshot was saved", "the state changed while it was written", false},
	probeSnapshotReceived:   {"snapshot received", "a follower got a whole snapshot", false},
	probeSnapshotInFlight:   {"snapshot installed while entries were in flight", "a follower took a snapshot before its earlier appends were durable", false},
	probeSnapshotRefused:    {"snapshot refused while others wait for the log", "a follower held as many received snapshots as it may", false},
	probeSnapshotUseless:    {"snapshot received and not needed", "raft had no use for it any more", false},
	probeSnapshotBroken:     {"snapshot broken off", "a snapshot did not reach its receiver whole", false},
	probeSnapshotSkipped:    {"request skipped by a snapshot", "a snapshot stood for the entries among which a request may have been", false},
	probeSnapshotStart:      {"started from a snapshot", "a node came back with a snapshot's state", false},
	probeExpired:            {"request expired as unknown", "a change got no answer in time", false},
	probeSuperseded:         {"request superseded", "another entry took the place of a request's", false},
	probeOverloaded:         {"request refused as overloaded", "a node had too much to do", false},
	probeDiskLow:            {"put refused for lack of disk", "the reserve of free disk was reached", false},
	probeDataFull:           {"put refused for lack of room", "the limit on all data was reached", false},
	probeConditionFailed:    {"condition failed", "a conditional write had no effect", false},
	probeRetryAfterUnknown:  {"retry after an unknown outcome", "a client sent a write again that may have had its effect", false},
	probeDeduplicated:       {"session retry deduplicated", "a write came twice and took effect once", false},
	probeEvicted:            {"session evicted", "a session had to make room for another one", false},
	probeSessionExpired:     {"write in an evicted session", "a client learned that its session is gone", false},
	probeClientDied:         {"client died", "a client forgot what it had asked for", false},
	probeUndecided:          {"history undecided", "the checker of histories could not tell", true},
	probeFollowerRead:       {"follower read", "a node that does not lead released a linearizable read", false},
	probeReadOverChange:     {"read released after leadership change", "a read began under one leader and was released under another", false},
	probeReadExpired:        {"read expired", "a read got no answer in time", false},
	probeLeaseRead:          {"lease read served", "a leader answered a read without asking anybody", false},
	probeLeaseOver:          {"read without a lease", "a leader with leases on had none and had to ask", false},
	probeStaleOld:           {"stale read observed old state", "a read that may be stale was", false},
	probeMemberAdded:        {"member added", "a learner joined", false},
	probeMemberPromoted:     {"member promoted", "a learner became a voter", false},
	probeMemberRemoved:      {"member removed", "a member left", false},
	probeLeaderRemoved:      {"leader removed", "a leader applied its own removal", false},
	probeChangePartitioned:  {"membership changed in a partition", "members changed while some links were cut", false},
	probeLearnerBehind:      {"promotion refused", "a learner had not caught up", false},
	probeStranger:           {"message of a removed node refused", "a node heard from one that is no member any more", false},
	probeAllDown:            {"all nodes down", "no process was up", false},
	probeEnded:              {"ended after a disk error", "a process ended itself because its disk failed", false},
	probeRecoveryPower:      {"power lost during recovery", "a process crashed before it had recovered", false},
	probeRecoveryError:      {"disk error during recovery", "a process could not recover at first", false},
	probeChosenOperation:    {"power lost at a chosen disk operation", "a crash struck just before a certain call", false},
}

// probe counts something that must happen sometimes.
func (w *World) probe(p probe) {
	w.reached[p]++
	w.emit(trace.Event{Kind: trace.Probe, What: probes[p].Name})
}

// reachedByName leaves out what was not reached.
func (w *World) reachedByName() map[string]int {
	names := map[string]int{}
	for p, n := range w.reached {
		if n > 0 {
			names[probes[p].Name] = n
		}
	}
	return names
}
