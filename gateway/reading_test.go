package gateway

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestG2_KeptNoWiderThanExact: what a policy allows for everybody who writes such a path is allowed, too, when every
// reading of this one path is looked at. A policy can't speak of "?", of control characters and of broken UTF-8.
func TestG2_KeptNoWiderThanExact(t *testing.T) {
	rules := []string{"/*", "/a", "/a/", "/a/*", "/a/b", "/a/b/*", "/a/*/c", "/a/b/c", "/*/c", "/b*", "/A-1/*"}
	parts := []string{"a", "b", "c", "A-1", "/", "/", "/", ".", "..", "/..", ";", `\`, "#", "%61", "%41", "%2d1", "%31", "%2f", "%2F", "%2e", "%2E", "%3b", "%3B", "%5c", "%5C", "%23", "%25", "%3f", "%3F", "%00",
		"%0d", "%62", "%c0%af", "%C1%A1", "%20", "%40", "ü", "x"}
	rnd := rand.New(rand.NewPCG(13, 14))
	both, narrow := 0, 0
	for range 4000 {
		a := &Authorizer{}
		v := &session.Verdict{}
		for n, i := range rnd.Perm(len(rules))[:1+rnd.IntN(6)] {
			a.rules = append(a.rules, rule{pattern{"GET", rules[i]}, n})
			v.Unmet = append(v.Unmet, []error{nil, errors.New("unmet")}[rnd.IntN(2)])
		}
		a.spellings = spellingsOf(a.rules)
		decided := a.verdict(v)
		for range 30 {
			path := "/"
			for range rnd.IntN(7) {
				path += parts[rnd.IntN(len(parts))]
			}
			if _, ok := readings(path); !ok {
				continue
			}
			_, kept := decided.decide("GET", path, false)
			reading, exact := decided.decide("GET", path, true)
			switch {
			case kept && !exact:
				t.Fatalf("%v %v: %s is allowed where it may be kept, and not as %s", a.rules, v.Unmet, path, reading)
			case kept:
				both++
			case exact:
				narrow++
			}
		}
	}
	if both < 1000 || narrow < 100 {
		t.Errorf("%d allowed by both, %d by the exact one alone: one-sided", both, narrow)
	}
}

// TestG2_ReadingsEnd: a path with too many readings, or with text that is not UTF-8, is refused, and soon.
func TestG2_ReadingsEnd(t *testing.T) {
	for path, ok := range map[string]bool{
		"/": true, "/a/b": true, "/a%20b/%25": true, "/%C3%BC": true, "/a;b;c/..;/d//e": true,
		"/" + strings.Repeat("%25", 100) + "61":              true,
		"/%" + strings.Repeat("25", 80) + "61":               false, // one more reading for each "25"
		"/" + strings.Repeat("/a/../;b/%2e%2e/%255c..", 400): true,
		"/%c3":    false,
		"/\ufffd": false,
	} {
		all, got := readings(path)
		if got != ok || len(all) > maxReadings {
			t.Errorf("%.60q: %v with %d readings", path, got, len(all))
		}
	}
}
