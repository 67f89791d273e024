package torture

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A treasure is what opens something, and must not be in a database.
type treasure struct{ name, text string }

// treasures are those of a visitor.
func (v *visitor) treasures() (all []treasure) {
	add := func(name, text string) {
		if text != "" {
			all = append(all, treasure{name, text})
		}
	}
	add("refresh token", v.refresh)
	add("tag of a refresh token", splitTicket(v.refresh)[5])
	add("access token", v.access)
	add("signature of an access token", v.access[strings.LastIndexByte(v.access, '.')+1:])
	add("authorization code", v.code)
	_, secret, _ := strings.Cut(v.code, ".") // the first half is where it lies
	add("secret of an authorization code", secret)
	add("token of a link", v.link.Get("token"))
	if raw, err := base64.RawURLEncoding.DecodeString(v.link.Get("token")); err == nil && len(raw) == 48 {
		add("secret of a link", base64.RawURLEncoding.EncodeToString(raw[16:])) // the first part is where it lies
	}
	add("mailed code", v.digits)
	for name, value := range v.cookies {
		if name == shortcookie.LastUsed(issuer, true) && (value == "link" || value == "code") { // the name of a provider, no secret
			continue
		}
		add("cookie", value)
	}
	return all
}

// forms are the ways in which a secret may be written.
func forms(secret string) []string {
	all := []string{secret}
	for _, raw := range [][]byte{[]byte(secret), decoded(secret)} {
		if len(raw) >= 8 {
			all = append(all, string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
				base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw))
		}
	}
	for _, form := range slices.Clone(all) {
		b := []byte(form)
		slices.Reverse(b)
		all = append(all, string(b))
	}
	return all
}

func decoded(s string) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil { // it is no base64 and has no such form
		return nil
	}
	return raw
}

// holds returns the names of treasures that lie about in a text.
func holds(text string, all []treasure) (found []string) {
	for _, tr := range all {
		if len(tr.text) == 6 { // digits of a mailed code may be part of any number
			if regexp.MustCompile(`\b` + tr.text + `\b`).MatchString(text) {
				found = append(found, tr.name)
			}
			continue
		}
		if slices.ContainsFunc(forms(tr.text), func(form string) bool { return strings.Contains(text, form) }) {
			found = append(found, tr.name)
		}
	}
	return found
}

// A thief tries what was stolen, and knows everything that is not secret: the names of all sessions and keys, his own
// access token, and even the verifiers of others.
type thief struct {
	*shop
	begins []string // of refresh tokens: all before number and tag
	halves []string // of subjects
	own    string   // the payload of an access token
	states []string // of sign-ins under way
	tried  int
}

// beginOf is a refresh token without its number and its tag.
func beginOf(refresh string) string {
	parts := strings.Split(refresh, ".")
	return strings.Join(parts[:len(parts)-2], ".")
}

// opens returns what a text opens, in whatever way it is used.
func (th *thief) opens(text string) (doors []string) {
	try := func(what string, ok bool) {
		if th.tried++; ok {
			doors = append(doors, what)
		}
	}
	refresh := func(what, token string) {
		_, err := th.sessions.Refresh(th.Context(), token)
		try(what, err == nil)
		if end := outcome(err); end == "reuse" || end == "unavailable" {
			doors = append(doors, what+": "+end) // it was believed, or upsets the server
		}
	}
	serve := func(what, method, target string, form url.Values, headers ...string) {
		rec := th.visitor().do(method, target, form, headers...)
		try(what, rec.Code < 400)
		if rec.Code >= 500 {
			doors = append(doors, fmt.Sprintf("%s: %d", what, rec.Code))
		}
	}
	refresh("as refresh token", text)
	if len(text) >= 16 && len(text) <= 128 && !strings.Contains(text, ".") {
		for _, begin := range th.begins {
			for n := range 2 {
				refresh("as tag of a refresh token", fmt.Sprintf("%s.%d.%s", begin, n, text))
			}
		}
		for _, half := range th.halves {
			serve("as secret of a code", http.MethodPost, issuer+"/token", redemption(half+"."+text))
		}
		_, err := th.user.Verify(th.Context(), th.own+"."+text)
		try("as signature", err == nil)
	}
	serve("as bearer", http.MethodGet, "https://app.example/me", nil, "Authorization", "Bearer "+text)
	v := th.visitor()
	for _, name := range []string{cookieName, cookieName + "-refresh"} {
		v.cookies[name] = text
	}
	try("as cookie", v.do(http.MethodGet, "https://app.example/me", nil).Code < 400)
	serve("as code", http.MethodPost, issuer+"/token", redemption(text))
	for _, state := range append(th.states, text) {
		serve("as token of a link", http.MethodPost, issuer+"/link/callback", url.Values{"state": {state}, "token": {text}})
	}
	return doors
}

// cookieName is that of the kind user: see KindConfig.CookieName.
var cookieName = func() string {
	c := new(clock)
	o, err := newOffice(new(store.Memory), c)
	if err != nil {
		panic(err)
	}
	rec := httptest.NewRecorder()
	o.user.SetCookies(rec, session.Tokens{Access: "x"})
	return strings.SplitN(rec.Header().Get("Set-Cookie"), "=", 2)[0]
}()

// TestS2_StolenDatabase: of all that a database holds after a day at the shop, nothing is a secret and nothing opens
// anything; the people who were there go on as if nothing had been.
func TestS2_StolenDatabase(t *testing.T) {
	each(t, func(t *testing.T, b backend, at *place) {
		c := new(clock)
		c.set(time.Now())
		st, closeAll, err := open(at.spec, c.now)
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll()
		s := newShop(t, st, c)
		people := s.business()
		l := steal(t, at)
		var all []treasure
		th := &thief{shop: s}
		for _, v := range people {
			all = append(all, v.treasures()...)
			if v.refresh != "" {
				th.begins = append(th.begins, beginOf(v.refresh))
				th.own = v.access[:strings.LastIndexByte(v.access, '.')]
			}
			if half, _, ok := strings.Cut(v.code, "."); ok {
				th.halves = append(th.halves, half)
			}
			if v.refresh == "" && v.state != "" {
				th.states = append(th.states, v.state)
			}
		}
		if found := holds(l.everything(), all); len(found) > 0 {
			t.Errorf("the database holds: %q", found)
		}
		texts := l.strings()
		if b.slow > 1 { // a few of each kind
			th.begins, th.halves, th.states = th.begins[:2], th.halves[:2], th.states[:2]
		}
		for _, text := range texts {
			if doors := th.opens(text); len(doors) > 0 {
				t.Errorf("%.60q opens: %q", text, doors)
			}
		}
		if len(all) < 80 || len(texts) < 100 || len(l.fields) < 100 {
			t.Errorf("too little to show anything: %d secrets, %d texts, %v", len(all), len(texts), l)
		}
		for i, v := range people {
			switch i % 5 {
			case 0, 1: // arrived, refreshed
				if _, err := s.sessions.Refresh(t.Context(), v.refresh); err != nil {
					t.Errorf("a session of somebody after the theft: %v", err)
				}
			case 3:
				v.arrive()
			case 4:
				if v.code != "" {
					v.redeem()
				}
			}
		}
		t.Logf("%v: none of %d secrets, %d texts opened nothing in %d ways to use them", l, len(all), len(texts), th.tried)
	})
}

// TestS2_TheThiefCanSucceed: the search finds what is planted, in any form, and the thief opens what can be opened.
func TestS2_TheThiefCanSucceed(t *testing.T) {
	at := backends[0].start(t)
	c := new(clock)
	c.set(time.Now())
	st, closeAll, err := open(at.spec, c.now)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	s := newShop(t, st, c)
	people := s.business()
	arrived, holding := people[0], people[14]
	th := &thief{shop: s, begins: []string{beginOf(arrived.refresh)}, halves: []string{holding.code[:16]}, own: arrived.access[:strings.LastIndexByte(arrived.access, '.')]}
	all := arrived.treasures()
	for _, tr := range append(all, holding.treasures()...) {
		if tr.name == "mailed code" {
			continue // digits are looked for as they are
		}
		for _, form := range forms(tr.text) {
			item := store.Item{Key: store.Key{Part: "planted", ID: "x"}, Value: []byte(form)}
			if items, err := st.Get(t.Context(), item.Key); err != nil {
				t.Fatal(err)
			} else if len(items) == 1 {
				item.Version = items[0].Version
			}
			if err := st.Write(t.Context(), store.Put(item)); err != nil {
				t.Fatal(err)
			}
			l := steal(t, at)
			if !slices.Contains(holds(strings.Join(l.fields, "\n"), []treasure{tr}), tr.name) {
				t.Errorf("a planted %s was not found", tr.name)
			}
		}
	}
	for _, tr := range []treasure{
		{"as refresh token", arrived.refresh}, {"as tag of a refresh token", splitTicket(arrived.refresh)[5]},
		{"as bearer", arrived.access}, {"as cookie", arrived.access}, {"as cookie", arrived.refresh},
		{"as signature", arrived.access[strings.LastIndexByte(arrived.access, '.')+1:]},
		{"as code", holding.code}, {"as secret of a code", people[19].code[17:]},
	} {
		if tr.name == "as secret of a code" {
			th.halves = []string{people[19].code[:16]}
		}
		if doors := th.opens(tr.text); !slices.Contains(doors, tr.name) {
			t.Errorf("a thief with the real thing: %q, want %q", doors, tr.name)
		}
	}
	waiting := people[3]
	th.states = []string{waiting.state}
	if doors := th.opens(waiting.link.Get("token")); !slices.Contains(doors, "as token of a link") {
		t.Errorf("a thief with a link: %q", doors)
	}
}
