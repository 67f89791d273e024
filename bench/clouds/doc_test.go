package clouds

import (
	"os"
	"strings"
	"testing"
)

// TestDocs_CloudFunction: the function that docs/clouds.md shows is the one that compiles here.
func TestDocs_CloudFunction(t *testing.T) {
	page, err := os.ReadFile("../../docs/clouds.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("cloudfunctions/function.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n```go fragment\n"+string(file)+"```\n") {
		t.Error("docs/clouds.md does not show bench/clouds/cloudfunctions/function.go letter for letter: copy it over")
	}
}
