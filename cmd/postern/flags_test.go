package main

import (
	"testing"
	"time"
)

// TestSpan: a length of time is written as in a configuration, or in plain seconds.
func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "90": 90 * time.Second, "45d": 45 * 24 * time.Hour, "0": 0, "0d": 0, "106751d": 106751 * 24 * time.Hour,
	} {
		var got span
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v, want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-5s", "1.5d", "106752d", "1d2h", "5 d", "99999999999999999999d", "45D"} {
		var got span
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, time.Duration(got))
		}
	}
}
