//go:build race

package sim

// slowdown divides the number of lives: the race detector has nothing to find in one goroutine.
const slowdown = 10
