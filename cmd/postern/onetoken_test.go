package main

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/jose"
)

// TestOneToken: what comes along when a header or a JSON string is copied is taken off.
func TestOneToken(t *testing.T) {
	long := strings.Repeat("x", jose.MaxToken)
	for arg, want := range map[string]string{
		"a.b.c": "a.b.c", " \"a.b.c\"\r\n": "a.b.c", "Bearer a.b.c": "a.b.c", "bearer   a.b.c": "a.b.c", "BEARER a.b.c\n": "a.b.c", long: long,
		"": "", "  ": "", "\"\"": "",
	} {
		for _, how := range []string{"argument", "input"} {
			text, in := arg, ""
			if how == "input" {
				text, in = "-", arg
			}
			got, err := oneToken(text, strings.NewReader(in))
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%s %.20q: %.20q, %v", how, arg, got, err)
			}
		}
	}
}
