//go:build !unix && !windows

package secrets

// nonBlocking is for systems with named pipes.
const nonBlocking = 0
