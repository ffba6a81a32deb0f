// Package bugs measures how good the simulator is at finding bugs: it plants known ones, one at a time, and counts the seeds until
// each is found.
//
// Start with Bank, the list of bugs, then Build, which makes a binary of lockstep with one of them, and Hunt, which has that
// binary live seeds until one fails. Command kill (run by `make sim-bugs`) does this for all and prints the table.
//
// A bug is a small edit of the project's own source, by its exact old and new text, or of the raft engine, of the syntax tree by
// function and position. The sources on disk stay as they are: the go command gets the edited files by an overlay, and an edited
// copy of the raft module by a module file of its own. So production code carries no hook for any of this. A test keeps every edit
// applicable.
//
// What a bug is for: the place and the mistake should be those of a tired engineer, who changes what looks needless and whose
// tests pass. Where the mistake lies in what package host decides, which the simulator does not run, the bug is planted in the
// simulator's own driver, and says so.
package bugs
