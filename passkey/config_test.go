package passkey

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
)

func itemOf(value []byte) store.Item { return store.Item{Value: value} }

func TestConfig(t *testing.T) {
	const issuer = "https://auth.example.com/auth"
	for name, c := range map[string]struct {
		issuer string
		config Config
		want   string // of the error; empty: none
	}{
		"default":                {issuer, Config{}, ""},
		"parent domain":          {issuer, Config{RPID: "example.com"}, ""},
		"localhost":              {"http://localhost:8080/auth", Config{}, ""},
		"address":                {"http://127.0.0.1:8080/auth", Config{}, "IP address"},
		"other domain":           {issuer, Config{RPID: "example.org"}, "neither the host"},
		"end of a name":          {issuer, Config{RPID: "ample.com"}, "neither the host"},
		"RP ID with scheme":      {issuer, Config{RPID: "https://example.com"}, "not a domain"},
		"RP ID in upper case":    {issuer, Config{RPID: "Example.com"}, "not a domain"},
		"several origins":        {issuer, Config{RPID: "example.com", Origins: []string{"https://auth.example.com", "https://app.example.org"}}, ""},
		"without the issuer's":   {issuer, Config{Origins: []string{"https://app.example.com"}}, "lacks"},
		"origin with path":       {issuer, Config{Origins: []string{"https://auth.example.com/"}}, "not an origin"},
		"origin in upper case":   {issuer, Config{Origins: []string{"https://Auth.example.com"}}, "not an origin"},
		"origin with usual port": {issuer, Config{Origins: []string{"https://auth.example.com:443"}}, "usual port"},
		"http":                   {issuer, Config{Origins: []string{"https://auth.example.com", "http://app.example.com"}}, "https alone"},
		"origin twice":           {issuer, Config{Origins: []string{"https://auth.example.com", "https://auth.example.com"}}, "twice"},
		"algorithm":              {issuer, Config{Algorithms: []string{"HS256"}}, `"HS256"`},
		"algorithm twice":        {issuer, Config{Algorithms: []string{"ES256", "ES256"}}, "twice"},
		"hint":                   {issuer, Config{Hints: []string{"phone"}}, `"phone"`},
		"hints":                  {issuer, Config{Hints: []string{"security-key", "hybrid"}}, ""},
	} {
		p, err := c.config.party(c.issuer)
		if c.want == "" && (err != nil || p.id == "" || len(p.origins) == 0 || len(p.algs) == 0) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestModels: the table has UUIDs, as modelID writes them.
func TestModels(t *testing.T) {
	for id, name := range models {
		var raw []byte
		for _, c := range strings.ReplaceAll(id, "-", "") {
			raw = append(raw, byte(strings.IndexRune("0123456789abcdef", c)))
		}
		packed := make([]byte, 16)
		for i := range packed {
			packed[i] = raw[2*i]<<4 | raw[2*i+1]
		}
		if modelID(packed) != id || name == "" {
			t.Errorf("%s %q is written %s", id, name, modelID(packed))
		}
	}
	if modelID(make([]byte, 16)) != "" || (row{Model: "ffffffff-0000-0000-0000-000000000000"}).model() != "Passkey" {
		t.Error("an unknown model has a name")
	}
}
