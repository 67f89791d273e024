package gateway

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// texts are all texts of up to n letters.
func texts(n int) []string {
	all := []string{""}
	for i := 0; i < len(all); i++ {
		if len(all[i]) < n {
			all = append(all, all[i]+"a", all[i]+"/", all[i]+"x") // x stands for all that is in no pattern
		}
	}
	return all
}

// TestPattern_AgainstAllTexts holds glob, covers and overlap to what they say, by trying everything that is short.
func TestPattern_AgainstAllTexts(t *testing.T) {
	all := texts(6)
	rnd := rand.New(rand.NewPCG(5, 6))
	word := func() string {
		b := make([]byte, rnd.IntN(5))
		for i := range b {
			b[i] = "a/*"[rnd.IntN(3)]
		}
		return string(b)
	}
	seen := map[string]int{}
	for range 2000 {
		p, q := word(), word()
		subset, common := true, false
		for _, s := range all {
			in, also := slow(p, s), slow(q, s)
			if got := glob(p, s); got != in {
				t.Fatalf("glob(%q, %q) is %v", p, s, got)
			}
			subset, common = subset && (in || !also), common || in && also
		}
		if got := glob(p, q); got && !subset || !got && subset && !strings.Contains(p+q, "**") {
			t.Errorf("%q covers %q: %v, want %v", p, q, got, subset)
		}
		if got := overlap(p, q); got != common {
			t.Errorf("%q overlaps %q: %v, want %v", p, q, got, common)
		}
		if subset {
			seen["covers"]++
		}
		if common {
			seen["overlaps"]++
		}
	}
	if seen["covers"] < 100 || seen["overlaps"] < 200 {
		t.Errorf("%v: the pairs were of one kind", seen)
	}
}

// slow is glob as one would explain it.
func slow(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return slow(pattern[1:], s) || s != "" && slow(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && slow(pattern[1:], s[1:])
}

// TestVerdict_PolicySaysTheSame: the resources of a policy, some left out, decide as the patterns do; and what is let
// in is let in by a rule whose needs are met, and no rule that fits better says no.
func TestVerdict_PolicySaysTheSame(t *testing.T) {
	paths := []string{"/*", "/a", "/a/", "/a/*", "/a/b", "/a/b/*", "/a/*/c", "/a/b/c", "/*/c", "/b*"}
	asked := []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/x/c", "/x/c", "/c", "/b", "/bb/c", "/a/b/c/d"}
	rnd := rand.New(rand.NewPCG(7, 8))
	yes, no := 0, 0
	for range 3000 {
		a := &Authorizer{}
		v := &session.Verdict{}
		for n, i := range rnd.Perm(len(paths))[:1+rnd.IntN(6)] {
			a.rules = append(a.rules, rule{pattern{"GET", paths[i]}, n})
			v.Unmet = append(v.Unmet, []error{nil, errors.New("unmet")}[rnd.IntN(2)])
		}
		decided := a.verdict(v)
		allow, deny := resources(decided.allow), resources(decided.deny)
		for _, path := range asked {
			got := decided.allows("GET", path)
			match := func(list []string) (yes bool) {
				for _, p := range list {
					yes = yes || slow(p, "GET"+path)
				}
				return yes
			}
			if policy := match(allow) && !match(deny); policy != got {
				t.Fatalf("%v %v: %s: %v by the policy, %v by the patterns", a.rules, v.Unmet, path, policy, got)
			}
			if !got {
				no++
				continue
			}
			yes++
			for i, r := range a.rules {
				if !r.matches("GET", path) || v.Unmet[r.n] == nil {
					continue
				}
				better := false // a rule within it, which fits and is met
				for j, other := range a.rules {
					better = better || i != j && other.matches("GET", path) && v.Unmet[other.n] == nil && r.covers(other.pattern)
				}
				if !better {
					t.Fatalf("%v %v: %s is let in against %v", a.rules, v.Unmet, path, r)
				}
			}
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("%d yes, %d no: one-sided", yes, no)
	}
}

func TestTemplate(t *testing.T) {
	for in, want := range map[string]string{"/": "/", "/a": "/a", "/a/{id}": "/a/*", "/a/{id}/b/{proxy+}": "/a/*/b/*", "/{": "/*", "": ""} {
		if got := template(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzClaimsOf: what an authorizer is said to have said becomes claims that are JSON, or nothing.
func FuzzClaimsOf(f *testing.F) {
	f.Add(`{"jwt":{"claims":{"aud":"[a b]","exp":"17","roles":"[a]","properties":"{}","x":"y"}}}`)
	f.Add(`{"lambda":{"sub":"u","type":"user","exp":17,"roles":"a b","properties":"{","session_claims":"[]","cookie":true}}`)
	f.Add(`{"lambda":{"sub":"u","properties":"{\"sub\":\"u\"}"}}`)
	f.Add(`{"lambda":null,"jwt":{"claims":null}}`)
	type some struct {
		X bool
		N int `json:"n"`
	}
	readers := []*reader{readerOf[some]((*session.Kind[some])(nil)), readerOf[string]((*session.Kind[string])(nil)), readerOf[some]((*session.External[some])(nil))}
	f.Fuzz(func(t *testing.T, authorizer string) {
		for _, version := range []string{"", `"version":"1.0",`, `"version":"2.0",`} {
			for _, from := range readers {
				claims, _, err := from.claims([]byte(`{` + version + `"requestContext":{"apiId":"x","authorizer":` + authorizer + `}}`))
				if err == nil && !json.Valid(claims) {
					t.Errorf("%s: claims that are no JSON: %q", version, claims)
				}
			}
		}
	})
}
