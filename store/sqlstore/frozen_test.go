package sqlstore

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
)

// frozen are the statements of a dialect as a file of testdata has them: by name, one after the other.
func frozen(name Dialect) string {
	d, _ := dialectOf(name)
	q := d.queries
	find := func(n int) string {
		query, _ := d.find(make([]store.Key, n), 0)
		return query
	}
	var b strings.Builder
	for _, one := range []struct{ name, text string }{
		{"one", find(1)}, {"page", q.page}, {"many", find(2)}, {"more", find(5)}, {"putAbsent", q.putAbsent}, {"putVersion", q.putVersion},
		{"deleteVersion", q.deleteVersion}, {"selectVersion", q.selectVersion}, {"holdVersion", q.holdVersion},
		{"addCounter", q.addCounter}, {"sweepItems", q.sweepItems}, {"sweepCounters", q.sweepCounters},
	} {
		b.WriteString("-- " + one.name + "\n" + one.text + ";\n\n")
	}
	return b.String()
}

// TestT6_StatementsAreFrozen: the statements of each version of the tables are kept, so that those of the version
// before can run beside the newest: see TestT6_OldCodeBesideNew. Who raises the version leaves the old files as they
// are, and writes new ones.
func TestT6_StatementsAreFrozen(t *testing.T) {
	for _, dialect := range []Dialect{SQLite, Postgres} {
		path := filepath.Join("testdata", "statements-"+strconv.Itoa(current)+"-"+string(dialect)+".sql")
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("version %d has no file of its statements: %v", current, err)
		}
		if got := frozen(dialect); got != string(want) {
			t.Errorf("the statements differ from %s: if programs with the old ones can go on beside the new ones, write the file anew; else raise the version\n%s", path, got)
		}
	}
}
