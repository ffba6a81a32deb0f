// Package up runs a whole cluster on one machine for `lockstep up`: it starts the nodes as child processes on loopback,
// tells what happens to them, restarts those that die, and stops them together.
//
// Run is the whole of it; Down stops a running one. Everything that decides is a plain value that tests can drive:
// Plan says who listens where, watch turns observations into events, directory says whether a directory may be used.
//
// Guarantees:
//   - Nothing is written before every check has passed: ports, the directory, whose data it holds, who uses it.
//   - The children end with this process, however it ends. On Linux the kernel kills them (PR_SET_PDEATHSIG); everywhere
//     they watch a pipe whose other end only this process holds.
//   - A directory belongs to one cluster of one size, which cluster.json remembers, with its ports.
package up
