package posterntest_test

import (
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/posternauth/postern/posterntest"
)

// TestFaults_Documented: the fields are declared in a package that readers do not see, so the comment names each.
func TestFaults_Documented(t *testing.T) {
	source, err := os.ReadFile("faults.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[posterntest.Faults]()) {
		if !regexp.MustCompile(`(?m)^//.*\b` + f.Name + `\b`).Match(source) {
			t.Errorf("the comment on Faults does not name %s", f.Name)
		}
	}
}
