//go:build !unix && !windows

package regular

// nonBlocking is for systems with named pipes.
const nonBlocking = 0
