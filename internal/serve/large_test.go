package serve

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestE5_LargeFilesAreReadOnce: the time for a file grows with its size and not with its square, whatever is wrong with
// it. With the square, each of these takes minutes.
func TestE5_LargeFilesAreReadOnce(t *testing.T) {
	var keys strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&keys, "k%d=1\n", i)
	}
	for name, text := range map[string]string{
		"unknown keys": keys.String(),
		"tables":       strings.ReplaceAll(strings.ReplaceAll(keys.String(), "=1", "]"), "k", "[k"),
		"entries":      strings.Repeat("[[k]]\n", 90_000),
		"then no TOML": keys.String() + "=",
		"keys twice":   strings.Repeat("k=1\n", 90_000),
		"no problem":   "x=[" + strings.Repeat("1,\n", 90_000) + "]",
		"one deep key": strings.Repeat("k.", 500_000) + "k=1",
		"deep header":  "[" + strings.Repeat("k.", 500_000) + "k]",
	} {
		_, err := Parse("postern.toml", []byte(text), environment{}.lookup)
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) > maxProblems+1 {
			t.Fatalf("%s: got %v", name, err)
		}
		last := invalid.Problems[len(invalid.Problems)-1]
		if many := len(invalid.Problems) > maxProblems; many != (last.Text == "and more") {
			t.Errorf("%s: %d problems end with %v", name, len(invalid.Problems), last)
		}
	}
	for _, text := range []string{keys.String(), "x={" + strings.ReplaceAll(strings.TrimSpace(keys.String()), "\n", ",") + "}"} {
		if _, err := Parse("postern.toml", []byte(text), environment{}.lookup); err == nil || !strings.Contains(err.Error(), "more than 5000 keys") {
			t.Errorf("got %.200v", err)
		}
	}
	_, err := Parse("postern.toml", []byte("a.b=1\n\n"+keys.String()[:strings.Index(keys.String(), "k4000=")]), environment{}.lookup)
	if err == nil || !strings.Contains(err.Error(), "postern.toml:3: k0: ") || !strings.HasSuffix(err.Error(), "postern.toml: and more; correct these first") {
		t.Errorf("got %.200v", err)
	}
}
