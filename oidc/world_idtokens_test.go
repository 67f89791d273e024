package oidc_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// The tests of this file are about ID tokens and keys as they are in the world.

func TestProvider_TheLogNamesTheAlgorithms(t *testing.T) {
	o := plainOP(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.ES256, keys.PS256} })
	o.out("RS256", "invalid_id_token", "alg is RS256, and Config.Algorithms allows [ES256 PS256]")
	o.header["alg"] = "EVIL\n<b>"
	o.out("no algorithm at all", "invalid_id_token", "alg is (unprintable)")
}

// TestJ2_AlgOfAnotherKeyThroughTheFlow: an algorithm that is allowed and not that of the key does not verify.
func TestJ2_AlgOfAnotherKeyThroughTheFlow(t *testing.T) {
	o := plainOP(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.RS256, keys.RS512, keys.PS256, keys.ES256} })
	o.in("its own")
	for _, alg := range []string{"RS512", "PS256", "ES256"} {
		o.header["alg"] = alg // signed over this header, by the key and in its own way
		o.out(alg, "invalid_id_token", "another algorithm")
	}
}

func TestProvider_Audiences(t *testing.T) {
	none, listed := plainOP(t, nil), plainOP(t, func(c *oidc.Config) { c.Audiences = []string{"https://api.example.net/", "api2"} })
	for name, tt := range map[string]struct {
		aud, azp    any
		none, known bool
	}{
		"this client":               {"client-1", nil, true, true},
		"a listed one too":          {[]string{"client-1", "https://api.example.net/"}, nil, false, true},
		"two listed ones too":       {[]string{"api2", "client-1", "https://api.example.net/"}, nil, false, true},
		"one that is not listed":    {[]string{"client-1", "https://evil.example/"}, nil, false, false},
		"a listed one, not us":      {"api2", nil, false, false},
		"others, and azp is ours":   {[]string{"x", "client-1"}, "client-1", true, true},
		"others, and azp is not":    {[]string{"x", "client-1"}, "x", false, false},
		"a listed one as azp":       {[]string{"api2", "client-1"}, "api2", false, false},
		"this client twice":         {[]string{"client-1", "client-1"}, nil, true, true},
		"a listed one in capitals":  {[]string{"client-1", "API2"}, nil, false, false},
		"azp is ours, aud is not":   {"x", "client-1", false, false},
		"azp null":                  {"client-1", json.RawMessage("null"), true, true},
		"two without azp, azp null": {[]string{"client-1", "x"}, json.RawMessage("null"), false, false},
	} {
		for o, want := range map[*op]bool{none: tt.none, listed: tt.known} {
			o.claims = func(c object) {
				c["aud"] = tt.aud
				if tt.azp != nil {
					c["azp"] = tt.azp
				}
			}
			if want {
				o.in(name)
			} else {
				o.out(name, "invalid_id_token", "claim a")
			}
		}
	}
}

func TestProvider_Leeway(t *testing.T) {
	for _, tt := range []struct {
		leeway, ahead time.Duration
		ok            bool
	}{
		{0, 55 * time.Second, true}, {0, 90 * time.Second, false}, {2 * time.Minute, 90 * time.Second, true}, {2 * time.Minute, 130 * time.Second, false},
		{-1, 5 * time.Second, false}, {-1, -5 * time.Second, true}, {5 * time.Minute, 290 * time.Second, true},
	} {
		o := plainOP(t, func(c *oidc.Config) { c.Leeway = tt.leeway })
		name := fmt.Sprintf("leeway %v, a clock %v ahead", tt.leeway, tt.ahead)
		o.claims = func(c object) { c["iat"] = o.Now().Add(tt.ahead).Unix() }
		if tt.ok {
			o.in(name)
		} else {
			o.out(name, "invalid_id_token", "claim iat is in the future")
		}
		// Behind by as much: exp has passed.
		o.claims = func(c object) { c["exp"] = o.Now().Add(-tt.ahead).Unix() }
		if tt.ahead > 0 && tt.ok {
			o.in(name + ", exp")
		} else if tt.ahead > 0 {
			o.out(name+", exp", "invalid_id_token", "claim exp has passed")
		}
	}
}

// TestProvider_SameKidAfterARestart: a provider that was set up anew signs with another key under the same kid.
func TestProvider_SameKidAfterARestart(t *testing.T) {
	o := plainOP(t, nil)
	o.in("before")
	private, err := keys.Generate(keys.RS256)
	if err != nil {
		t.Fatal(err)
	}
	o.key = renamed{private, opKey().Public().ID(), t}
	o.Advance(30 * time.Second)
	o.in("after")
	if o.calls["/jwks"] != 2 {
		t.Errorf("%d requests for keys", o.calls["/jwks"])
	}
}

// renamed is a key under the kid of another.
type renamed struct {
	keys.SigningKey
	kid string
	t   *testing.T
}

func (r renamed) Public() *keys.PublicKey {
	k, err := keys.NewPublicKey(r.SigningKey.Public().Public(), r.SigningKey.Public().Algorithm(), r.kid)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}
