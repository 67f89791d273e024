//go:build unix || windows

package keys

import "syscall"

// nonblock opens a pipe that nobody writes. Without it the open waits for a writer.
const nonblock = syscall.O_NONBLOCK
