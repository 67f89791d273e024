package session

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/handover"
	"github.com/posternauth/postern/internal/jose"
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

// A redirect leads to where the target leads, with our parameters once and nobody else's of their names.
func FuzzReturn(f *testing.F) {
	for _, s := range []string{"https://example.com", "https://example.com/a?b=c#d", "https://example.com/?code=x&%63ode=y", "app:/cb", "https://e.example/#/r?code=x", "https://e.example/?a=%zz&code", "//x", "https://[::1]:80/?a;code=b"} {
		f.Add(s, "st")
	}
	f.Fuzz(func(t *testing.T, target, state string) {
		location, err := back(handover.New(target, state, "", ""), "code", "c0de", "iss", "https://i.example")
		if err != nil {
			return
		}
		from, err := url.Parse(target)
		if err != nil {
			t.Fatalf("%q is no URL and was taken", target)
		}
		to, err := url.Parse(location)
		if err != nil || !printable(location) {
			t.Fatalf("%q became %q: %v", target, location, err)
		}
		if to.Scheme != from.Scheme || to.Host != from.Host || to.User.String() != from.User.String() || to.Path != from.Path || to.Fragment != from.Fragment {
			t.Errorf("%q became %q", target, location)
		}
		q := to.Query()
		if len(q["code"]) != 1 || q.Get("code") != "c0de" || len(q["iss"]) != 1 || q.Has("token") {
			t.Errorf("%q became %q", target, location)
		}
		if state == "" && q.Has("state") || state != "" && (len(q["state"]) != 1 || q.Get("state") != state) {
			t.Errorf("%q with state %q became %q", target, state, location)
		}
	})
}
