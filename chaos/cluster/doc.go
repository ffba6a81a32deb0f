// Package cluster runs real processes of a store on this machine: it starts, kills, stops, pauses and damages them.
//
// Start makes the cluster: for each node a process group of its own, a log file, ports that were free a moment ago, and
// proxies in front of them. Each method that does something to a node names its slot, from 1. Close ends everything.
//
// # Nothing is left behind
//
// On Linux the kernel kills the nodes when the harness dies, and all nodes end when the pipe that they were given is closed.
// A node that is paused can't notice that on other systems, and mounts remain anywhere: so each run notes in
// its folder what it started, with the start times of processes, and Sweep ends what an earlier run left. A
// process that has taken over such a number is told by its start time, and is not touched.
package cluster
