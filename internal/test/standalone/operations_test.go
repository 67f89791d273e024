package standalone

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOperations_MetricsTable: docs/operations.md lists what the program serves, with its labels, and nothing else.
func TestOperations_MetricsTable(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(postern_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = strings.Join(regexp.MustCompile("[a-z]+").FindAllString(row[2], -1), " ")
	}
	s := newSite(t, "sqlite:"+filepath.Join(t.TempDir(), "postern.db"))
	server := s.start()
	p := s.person("ada")
	p.signUp()
	p.signIn()
	_, metrics := get(server.local + "/metrics")
	served := map[string]string{}
	for line := range strings.Lines(metrics) {
		m := regexp.MustCompile(`^(postern_[a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? `).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var labels []string
		for _, label := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
			if label[1] != "le" {
				labels = append(labels, label[1])
			}
		}
		served[m[1]] = strings.Join(labels, " ")
	}
	if len(served) < 10 {
		t.Fatalf("only %d metrics are served:\n%s", len(served), metrics)
	}
	sorted := func(labels string) string {
		words := strings.Fields(labels)
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	for name, labels := range served {
		if have, ok := documented[name]; !ok || sorted(have) != sorted(labels) {
			t.Errorf("%s with the labels %q is documented with %q", name, labels, have)
		}
	}
	for name := range documented {
		if _, ok := served[name]; !ok {
			t.Errorf("%s is documented and not served", name)
		}
	}
}
