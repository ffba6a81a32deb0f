//go:build linux || darwin

package kv

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime and threadTime are CPU time used so far. Benchmarks report it beside the wall clock's, which also counts
// the time that other processes had the processor.
func processTime() time.Duration { return cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) }
func threadTime() time.Duration  { return cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) }

func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
