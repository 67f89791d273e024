package main

import "testing"

// TestSecretsGet_Terminal: a value that somebody else has set moves no cursor and renames no window.
func TestSecretsGet_Terminal(t *testing.T) {
	for value, want := range map[string]bool{
		"plain": true, "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n": true, "a\tb": true, "ä€": true, "a\r\nb": true,
		"\x1b[31mred": false, "\x1b]0;title\a": false, "a\bb": false, "\u009b31m": false, "a\u202eb": false, "a\rb": false, "\x7f": false,
	} {
		if got := fitsTerminal(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
