//go:build !unix && !windows

package audit

// nonBlocking is for systems with named pipes.
const nonBlocking = 0
