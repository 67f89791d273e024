//go:build race

package session_test

// raced reports whether the race detector is on. It makes a long test of one goroutine longer and no better.
const raced = true
