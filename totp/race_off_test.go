//go:build !race

package totp_test

// raced reports that the race detector is on, which makes everything ten times as slow: long tests are shorter then.
const raced = false
