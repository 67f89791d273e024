//go:build race

package passkey_test

// raced reports that the race detector is on, which makes each hash ten times as slow: long tests are shorter then.
const raced = true
