package infra_test

import (
	"flag"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/test/infra"
)

var update = flag.Bool("update", false, "write the tables of docs/cost.md")

// TestCost measures the steps of a person by the configuration of the templates, and compares the tables of
// docs/cost.md with what they cost.
func TestCost(t *testing.T) {
	if got := infra.AlarmMetrics; got != len(wantAlarms) {
		t.Errorf("the table counts %d alarm metrics, and the templates have %d", got, len(wantAlarms))
	}
	source, err := os.ReadFile(filepath.Join(infra.Root(t), "internal", "serve", "emf", "emf.go"))
	if err != nil {
		t.Fatal(err)
	}
	if named := regexp.MustCompile(`(?m)^\t\w+ +Name = "`).FindAll(source, -1); len(named) != infra.Metrics {
		t.Errorf("the table counts %d metrics, and package emf has %d", infra.Metrics, len(named))
	}
	h := newHouse(t)
	b := h.browser()
	var tokens map[string]any
	signUp := h.measure("sign-up by a mailed code", func() { tokens = b.tokens(b.byCode("ada@example.com")) })
	b = h.browser()
	signIn := h.measure("sign-in by a mailed code", func() { tokens = b.tokens(b.byCode("ada@example.com")) })
	h.now = h.now.Add(5 * time.Minute) // the access token has ended
	refresh := h.measure("refresh", func() {
		tokens = b.send(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}, "client_id": {"api"}})
	})
	keySet := h.measure("key set, of a verifier every ten minutes", func() { b.send(issuer+"/.well-known/jwks.json", nil) })
	verify := h.measure("a request of the API, checked by the authorizer", func() {})
	end := h.measure("sign-out", func() {
		b.send(issuer+"/revoke", url.Values{"token": {tokens["refresh_token"].(string)}, "client_id": {"api"}})
	})
	checked := newHouse(t, func(c *serve.Config) { c.Session.CheckStore = true })
	c := checked.browser()
	c.token = c.tokens(c.byCode("ada@example.com"))["access_token"].(string)
	check := checked.measure("the same with session.CheckStore", func() { c.send(issuer+"/session", nil) })
	if keySet.Units != (infra.Units{}) {
		t.Errorf("the key set takes %+v of the store, want nothing", keySet.Units)
	}
	for _, f := range []infra.Flow{signUp, signIn, refresh, check, end} {
		if f.Requests == 0 || f.Units.Read+f.Units.Write == 0 {
			t.Errorf("%+v: nothing was counted", f)
		}
	}
	measured := []infra.Flow{signUp, signIn, refresh, verify, check, keySet, end}

	const begin, stop = "<!-- table: go test ./internal/test/infra -run Cost -update -->\n", "<!-- end of table -->"
	path := filepath.Join(infra.Root(t), "docs", "cost.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), begin)
	old, after, ended := strings.Cut(rest, stop)
	if !found || !ended {
		t.Fatalf("%s has no place for the tables", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+infra.CostTable(measured)+stop+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Sizes of items depend on random values, so a unit more or less is no change.
	documented := infra.FlowsOf(old)
	if len(documented) != len(measured) {
		t.Fatalf("%d steps, want %d: go test ./internal/test/infra -run Cost -update", len(documented), len(measured))
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 2 }
	for i, m := range measured {
		d := documented[i]
		if d.Name != m.Name || d.Requests != m.Requests || !near(d.Units.Read, m.Units.Read) || !near(d.Units.Write, m.Units.Write) {
			t.Errorf("docs/cost.md has %+v, measured is %+v: go test ./internal/test/infra -run Cost -update", d, m)
		}
	}
	if want := infra.CostTable(documented); old != want {
		t.Errorf("the sums are not those of the steps: go test ./internal/test/infra -run Cost -update\n%s", want)
	}
}
