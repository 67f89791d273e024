package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// Holes that SST Auth had, as far as it takes the whole house to try them. Others are tried in the package that
// closes them.

// decoded has the claims of a token, as any reader sees them.
func decoded(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// The token came in the query of a URL, by gluing strings.
func TestSST_S2_NoTokenInAURL(t *testing.T) {
	w := newWorld(t)
	for _, f := range flows() {
		b := newHouse(t, w, plans{}).browser()
		for _, step := range f.steps {
			a := step(b).must(t)
			if a.location == nil {
				continue
			}
			for _, part := range append(strings.Split(a.location.String(), "."), a.location.Query()["token"]...) {
				if strings.HasPrefix(part, "eyJ") {
					t.Errorf("%s: a token in %s", f.name, a.location)
				}
			}
			q := a.location.Query()
			if strings.HasPrefix(a.location.String(), app) && (len(q["code"]) > 1 || len(q["state"]) > 1 || q.Has("token")) {
				t.Errorf("%s: leads to %s", f.name, a.location)
			}
			if a.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: Referrer-Policy %q", f.name, a.header.Get("Referrer-Policy"))
			}
		}
	}
}

// What was called encrypted was only signed. Here tokens are said to be readable, and what is sealed is unreadable.
func TestSST_S12_SealedIsSealed(t *testing.T) {
	h := newHouse(t, newWorld(t), plans{})
	b := h.browser()
	begin("one", "?state=a-state-of-mine")(b).must(t)
	ask("code", "?plan=a-plan-of-mine")(b).must(t)
	names := 0
	for name, value := range b.Cookies {
		names++
		for part := range strings.SplitSeq(value, ".") {
			plain, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				plain = []byte(part)
			}
			for _, inside := range []string{"a-state-of-mine", "a-plan-of-mine", "ada@example.com", app, b.code, `"f":`, "one"} {
				if len(inside) > 3 && bytes.Contains(plain, []byte(inside)) {
					t.Errorf("cookie %s shows %q", name, inside)
				}
			}
		}
	}
	if names < 2 {
		t.Errorf("%d cookies", names)
	}
}
