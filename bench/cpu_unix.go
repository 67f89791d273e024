//go:build unix

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time this process has spent on all cores together. Unlike the time on the clock it does not grow while
// other programs run, so it can be compared on a machine that is shared.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic("bench: the CPU time of the process cannot be read: " + err.Error())
	}
	return time.Duration(t.Nano())
}
