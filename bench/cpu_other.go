//go:build !unix

package main

import "time"

var started = time.Now()

// cpuTime is the time on the clock where that of the process cannot be had: run nothing else meanwhile.
func cpuTime() time.Duration { return time.Since(started) }
