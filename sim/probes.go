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
	probeWriteSync
	probeSyncSend
	probeSnapshotRename
	probeSegmentRename
	probeNameLost
	probeWriteLost
	probeWriteTorn
	probeWritesReordered
	probeShortWrite
	probeRotLog
	probeRotTail
	probeRotSnapshot
	probeRotIdentity
	probeRefusedLog
	probeRefusedSnapshot
	probeRefusedIdentity
	probeRottenTailCut
	probeRottenSnapshotPassed
	probeWrongDirectory
	probeTurnedAway
	probeLeftDown
	probeLeftAlone
	probeNoQuorum
	probeCount
)

var probes = [probeCount]Probe{
	probePreVoteRefused:       {Name: "vote refused by pre-vote", Title: "a node would not have voted, so that nobody campaigned"},
	probeVoteRefused:          {Name: "vote refused", Title: "a candidate was told no"},
	probeNoWinner:             {Name: "election without winner", Title: "a candidate had to begin another term"},
	probeCheckQuorum:          {Name: "leader stepped down unasked", Title: "a leader that heard from no quorum gave up within its term"},
	probeTwoLeaders:           {Name: "two leaders of different terms", Title: "an old leader did not know yet that another one leads"},
	probeLeaderLostRequests:   {Name: "leader lost with requests open", Title: "a leader stepped down while clients waited for it"},
	probeLeaderLostUnknown:    {Name: "leader lost with unknown outcomes", Title: "a node that had led told a client that an outcome is unknown"},
	probeTransferDone:         {Name: "leadership transferred", Title: "a transfer was asked for, and another node led"},
	probeTransferFailed:       {Name: "transfer failed", Title: "a transfer was asked for, and given up"},
	probeOverwritten:          {Name: "entries overwritten", Title: "a node replaced the end of its log by another leader's"},
	probeOlderTerm:            {Name: "entry of an earlier term committed", Title: "a leader committed what another one had appended"},
	probeUnreported:           {Name: "durable append never reported", Title: "power was lost between the sync and the node's hearing of it"},
	probeTornTail:             {Name: "torn tail cut on recovery", Title: "a write that had been under way was cut off the log"},
	probeSegmentRecycled:      {Name: "segment recycled", Title: "a new segment was written over an old one's file"},
	probeAppendsWaited:        {Name: "appends waited for a slow disk", Title: "a node handed out several appends before the first was durable"},
	probeCompactedPast:        {Name: "log compacted past a follower", Title: "a leader dropped entries that a member did not have yet"},
	probeRecoveredBacklog:     {Name: "started with entries not known to be committed", Title: "a node came back with a log that goes beyond its commit index"},
	probeSnapshotSaved:        {Name: "snapshot saved", Title: "a node wrote its state to a file"},
	probeSnapshotNotSaved:     {Name: "snapshot could not be saved", Title: "the file could not be written"},
	probeSnapshotBeside:       {Name: "entries applied while a snapshot was saved", Title: "the state changed while it was written"},
	probeSnapshotReceived:     {Name: "snapshot received", Title: "a follower got a whole snapshot"},
	probeSnapshotInFlight:     {Name: "snapshot installed while entries were in flight", Title: "a follower took a snapshot before its earlier appends were durable"},
	probeSnapshotRefused:      {Name: "snapshot refused while others wait for the log", Title: "a follower held as many received snapshots as it may", Seldom: true},
	probeSnapshotUseless:      {Name: "snapshot received and not needed", Title: "raft had no use for it any more"},
	probeSnapshotBroken:       {Name: "snapshot broken off", Title: "a snapshot did not reach its receiver whole"},
	probeSnapshotSkipped:      {Name: "request skipped by a snapshot", Title: "a snapshot stood for the entries among which a request may have been"},
	probeSnapshotStart:        {Name: "started from a snapshot", Title: "a node came back with a snapshot's state"},
	probeExpired:              {Name: "request expired as unknown", Title: "a change got no answer in time"},
	probeSuperseded:           {Name: "request superseded", Title: "another entry took the place of a request's"},
	probeOverloaded:           {Name: "request refused as overloaded", Title: "a node had too much to do"},
	probeDiskLow:              {Name: "put refused for lack of disk", Title: "the reserve of free disk was reached"},
	probeDataFull:             {Name: "put refused for lack of room", Title: "the limit on all data was reached"},
	probeConditionFailed:      {Name: "condition failed", Title: "a conditional write had no effect"},
	probeRetryAfterUnknown:    {Name: "retry after an unknown outcome", Title: "a client sent a write again that may have had its effect"},
	probeDeduplicated:         {Name: "session retry deduplicated", Title: "a write came twice and took effect once"},
	probeEvicted:              {Name: "session evicted", Title: "a session had to make room for another one"},
	probeSessionExpired:       {Name: "write in an evicted session", Title: "a client learned that its session is gone"},
	probeClientDied:           {Name: "client died", Title: "a client forgot what it had asked for"},
	probeUndecided:            {Name: "history undecided", Title: "the checker of histories could not tell", Seldom: true},
	probeFollowerRead:         {Name: "follower read", Title: "a node that does not lead released a linearizable read"},
	probeReadOverChange:       {Name: "read released after leadership change", Title: "a read began under one leader and was released under another"},
	probeReadExpired:          {Name: "read expired", Title: "a read got no answer in time"},
	probeLeaseRead:            {Name: "lease read served", Title: "a leader answered a read without asking anybody"},
	probeLeaseOver:            {Name: "read without a lease", Title: "a leader with leases on had none and had to ask"},
	probeStaleOld:             {Name: "stale read observed old state", Title: "a read that may be stale was"},
	probeMemberAdded:          {Name: "member added", Title: "a learner joined"},
	probeMemberPromoted:       {Name: "member promoted", Title: "a learner became a voter"},
	probeMemberRemoved:        {Name: "member removed", Title: "a member left"},
	probeLeaderRemoved:        {Name: "leader removed", Title: "a leader applied its own removal"},
	probeChangePartitioned:    {Name: "membership changed in a partition", Title: "members changed while some links were cut"},
	probeLearnerBehind:        {Name: "promotion refused", Title: "a learner had not caught up"},
	probeStranger:             {Name: "message of a removed node refused", Title: "a node heard from one that is no member any more"},
	probeAllDown:              {Name: "all nodes down", Title: "no process was up"},
	probeEnded:                {Name: "ended after a disk error", Title: "a process ended itself because its disk failed"},
	probeRecoveryPower:        {Name: "power lost during recovery", Title: "a process crashed before it had recovered"},
	probeRecoveryError:        {Name: "disk error during recovery", Title: "a process could not recover at first"},
	probeChosenOperation:      {Name: "power lost at a chosen disk operation", Title: "a crash struck just before a certain call"},
	probeWriteSync:            {Name: "power lost between write and sync", Title: "a crash struck when entries were written and not durable"},
	probeSyncSend:             {Name: "power lost between sync and send", Title: "a crash struck when entries were durable and nobody had heard of it"},
	probeSnapshotRename:       {Name: "power lost during a snapshot's rename", Title: "a crash struck before a snapshot's name was durable"},
	probeSegmentRename:        {Name: "power lost while a segment began", Title: "a crash struck before a segment got its name"},
	probeNameLost:             {Name: "name lost in a crash", Title: "a change of a directory that was not synced was undone"},
	probeWriteLost:            {Name: "write lost in a crash", Title: "a write that was not synced was undone"},
	probeWriteTorn:            {Name: "write torn in a crash", Title: "a write that was not synced was undone in part"},
	probeWritesReordered:      {Name: "writes reordered by a crash", Title: "a write survived an earlier one that was not synced either"},
	probeShortWrite:           {Name: "write cut short by an error", Title: "a disk error came in the middle of a write"},
	probeRotLog:               {Name: "rot in the log", Title: "a durable byte of a stopped node's log changed"},
	probeRotTail:              {Name: "rot in the tail", Title: "a byte changed that was written and not synced"},
	probeRotSnapshot:          {Name: "rot in the snapshot", Title: "a byte of a stopped node's snapshot changed"},
	probeRotIdentity:          {Name: "rot in the identity", Title: "a byte changed of what says whose a directory is"},
	probeRefusedLog:           {Name: "start refused because of rot in the log", Title: "a node told where its log is damaged, and did not start"},
	probeRefusedSnapshot:      {Name: "start refused because of rot in the snapshot", Title: "a node found its only snapshot damaged, and did not start", Seldom: true},
	probeRefusedIdentity:      {Name: "start refused because of rot in the identity", Title: "a node could not tell whose its directory is"},
	probeRottenTailCut:        {Name: "rotten tail cut on recovery", Title: "what had rotted was never acknowledged, and was cut off"},
	probeRottenSnapshotPassed: {Name: "rotten snapshot passed over", Title: "a node started from an older snapshot and a longer log"},
	probeWrongDirectory:       {Name: "start refused on another node's directory", Title: "two nodes' disks were exchanged"},
	probeTurnedAway:           {Name: "node without its directory refused by its peers", Title: "a node came back empty under a number that is known"},
	probeLeftDown:             {Name: "node left behind by crash", Title: "a minority stayed down for good"},
	probeLeftAlone:            {Name: "node left behind by isolate", Title: "a minority stayed cut off for good"},
	probeNoQuorum:             {Name: "no progress without a quorum", Title: "more was lost than the cluster can do without", Seldom: true},
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
