//go:build race

package session_test

// raced tells that the race detector is on, which makes a long test of one goroutine longer and nothing of it better.
const raced = true
