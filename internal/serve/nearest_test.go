package serve

import "testing"

// TestNearest: a name is proposed for a slip, and none for another word.
func TestNearest(t *testing.T) {
	known := map[string]bool{"log": true, "seal": true, "store": true, "audience": true}
	for key, want := range map[string]string{
		"audiance": "audience", "stor": "store", "seel": "seal", "lug": "log", "lgo": "", "foo": "", "tools": "",
	} {
		if got := nearest(key, known); got != want {
			t.Errorf("%s: proposed %q, want %q", key, got, want)
		}
	}
}
