package policy

import (
	"bufio"
	"compress/gzip"
	"os"
	"strings"
	"testing"
)

// TestP4_Common: the first 3,000 passwords of the list that are long enough are all refused, in capitals too.
func TestP4_Common(t *testing.T) {
	p := newPolicy(t, Config{})
	file, err := os.Open("testdata/common15-3000.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(unpacked); lines.Scan(); n++ {
		for _, password := range []string{lines.Text(), strings.ToUpper(lines.Text())} {
			if err := p.Check(password); err == nil {
				t.Errorf("%s is accepted", password)
			}
		}
	}
	if n != 3000 {
		t.Fatalf("%d passwords tried, want 3,000", n)
	}
}
