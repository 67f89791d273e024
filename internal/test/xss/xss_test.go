package xss

import (
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for _, length := range []int{64, 200, 4000} {
		lines := Lines(length)
		all := strings.Join(lines, " ")
		for _, line := range lines {
			if len(line) > length {
				t.Errorf("%d bytes, want at most %d: %s", len(line), length, line)
			}
		}
		for _, want := range []string{"<script>pwned()</script>", "<svg onload", "javascript:pwned()", "<!--"} {
			if !strings.Contains(all, want) {
				t.Errorf("the lines of %d bytes have no %s", length, want)
			}
		}
		if strings.ContainsAny(all, "\r\n\u2028\u202e") {
			t.Errorf("the lines of %d bytes have control characters", length)
		}
	}
}
