//go:build unix || windows

package secrets

import "syscall"

// nonBlocking makes a pipe open without a writer.
const nonBlocking = syscall.O_NONBLOCK
