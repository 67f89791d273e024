package serve

import (
	"fmt"
	"strings"
	"testing"
)

// TestE5_ValuesOfVariablesAreNotPrinted: a problem names the variable and not its value.
func TestE5_ValuesOfVariablesAreNotPrinted(t *testing.T) {
	env := environment{"VALUE": "hunter2-hunter2"}
	for _, line := range []string{
		`issuer = "${VALUE}"`, `redirects = "${VALUE}"`, "[log]\nlevel = \"${VALUE}\"",
		"[session]\naccess = \"${VALUE}\"", "[server]\npprof = \"${VALUE}\"", "[store]\nurl = \"${VALUE}\"", "[audit]\nwebhook = \"${VALUE}\"",
	} {
		_, err := Parse("postern.toml", []byte(line), env.lookup)
		if text := fmt.Sprint(err); strings.Contains(text, "hunter2") || !strings.Contains(text, "VALUE") && !strings.Contains(line, "url") {
			t.Errorf("%s: %s", line, text)
		}
	}
}
