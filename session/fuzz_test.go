package session

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/loopback"
)

// What decodeProperties makes of properties is what encoding/json makes of them.
func FuzzProperties(f *testing.F) {
	for _, s := range propertySeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if jose.Valid(data) == nil {
			sameAsJSON(t, data)
		}
	})
}

// A token read from a request was in the request, is alone, and could be one.
func FuzzSource(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer  a.b.c", "Bearer", "Basic x", "Bearer a b", "n=v", "a=b; n=v; c", "n=v; n=w", "chat, bearer.a.b.c", "bearer.", "bearer.a,bearer.b", "chat, bearer. .b.\x93{c", ""} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Authorization": {one}, "Cookie": {one, two}, "Sec-Websocket-Protocol": {one, two}}
		if token, found, err := bearer(h); err == nil && found && (!b64token(token) || !strings.HasSuffix(one, token)) || !found && token != "" {
			t.Errorf("%q holds the token %q", one, token)
		}
		if h["Authorization"] = []string{one, two}; true {
			if token, found, err := bearer(h); token != "" || !found || err == nil {
				t.Errorf("two headers: %q %v %v", token, found, err)
			}
		}
		token, err := cookie(h, "n")
		if err == nil && token != "" && (strings.Contains(token, ";") || strings.Count(one+";"+two, token) == 0) {
			t.Errorf("%q, %q hold the cookie %q", one, two, token)
		}
		token, rest, err := protocol(h)
		if err == nil && (strings.ContainsAny(token, ", ") || strings.Contains(", "+rest, ", "+protocolPrefix)) {
			t.Errorf("%q, %q offer %q beside %q", one, two, token, rest)
		}
	})
}

// Claims that pass are, to encoding/json as well, those of the issuer, for the audience, and alive.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"iss":"i","aud":"a","exp":2000,"iat":900,"sub":"u","scope":"a b","roles":["r"],"amr":[]}`, `{"iss":"i","aud":["b","a"],"exp":1e4,"nbf":999.5}`,
		`{"iss":"i","aud":"a","exp":2000,"ISS":"j"}`, `{"iss":"i","aud":["a",1],"exp":2000}`, `{"\u0069ss":"\u0069","aud":"a","exp":1000}`, `{"iss":["i"],"aud":"a","exp":"2000"}`, `[]`,
	} {
		f.Add(s)
	}
	now := time.Unix(1000, 0)
	f.Fuzz(func(t *testing.T, payload string) {
		c := claims{issuer: "i", audience: "a"}
		if c.read(payload, true) != nil || c.check(now, 0) != nil {
			return
		}
		m, err := unmarshal(payload)
		if err != nil {
			t.Fatalf("%s passes: %v", payload, err)
		}
		audience, _ := m["aud"].([]any)
		if s, ok := m["aud"].(string); ok {
			audience = []any{s}
		}
		exp := number(m["exp"])
		sub, _ := m["sub"].(string)
		if m["iss"] != "i" || !slices.Contains(audience, any("a")) || exp <= 1000 || sub != c.subject {
			t.Errorf("%s passes", payload)
		}
		var s Session[struct{}]
		if fill(&s, &c, nil) != nil {
			return
		}
		scope, _ := m["scope"].(string)
		if strings.Join(s.Scopes, " ") != strings.Join(strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' }), " ") {
			t.Errorf("%s has the scopes %q", payload, s.Scopes)
		}
	})
}

// unmarshal is encoding/json's reading of an object. Numbers stay text: one that no float64 can hold is JSON, and in a
// claim that nobody looks at it is nobody's concern.
func unmarshal(text string) (m map[string]any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return m, nil
}

func number(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return f
}

// An issuer that is taken is an absolute URL in normal form that leads back to itself.
func FuzzIssuer(f *testing.F) {
	for _, s := range []string{"https://example.com", "https://example.com/a", "http://localhost:80/a", "http://[::1]:8", "https://a@b", "https://e.example/..", "https://e.example/%2f", "https:e", "https://e.example?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, issuer string) {
		u, err := parseIssuer(issuer, nil)
		if err != nil {
			return
		}
		if u.String() != issuer || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(issuer, "/") ||
			u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())) {
			t.Errorf("%q is taken", issuer)
		}
		if j := u.JoinPath("token").String(); j != issuer+"/token" {
			t.Errorf("%q/token is %q", issuer, j)
		}
	})
}
