//go:build !race

package magic_test

// raced reports that the race detector is on. Long tests of one goroutine are shorter then: there is nothing to race.
const raced = false
