//go:build !unix

package main

import "time"

var started = time.Now()

// cpuTime is the time on the clock where the CPU time of the process is unavailable: run nothing else meanwhile.
func cpuTime() time.Duration { return time.Since(started) }
