//go:build race

package zones

// slowdown divides the number of histories: the race detector has nothing to find in this package, which starts no goroutine.
const slowdown = 8
