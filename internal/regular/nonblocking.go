//go:build unix || windows

package regular

import "syscall"

// nonBlocking makes a pipe open without a writer.
const nonBlocking = syscall.O_NONBLOCK
