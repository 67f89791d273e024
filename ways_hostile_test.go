package postern_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

// What nobody can have typed is refused with a text that says what to do, or with a clear 4xx.
func TestIdentifierFirst_Hostile(t *testing.T) {
	f := newFront(t)
	b := f.browser()
	for name, c := range map[string]struct {
		body url.Values
		code string
	}{
		"nothing":      {url.Values{}, "missing_field"},
		"empty":        {url.Values{"identifier": {""}}, "missing_field"},
		"white space":  {url.Values{"identifier": {"   "}}, "missing_field"},
		"no address":   {url.Values{"identifier": {"ann"}}, "invalid_address"},
		"two":          {url.Values{"identifier": {"a@example.com,b@example.com"}}, "invalid_address"},
		"very long":    {url.Values{"identifier": {strings.Repeat("a", 50000) + "@example.com"}}, "invalid_address"},
		"markup":       {url.Values{"identifier": {`"><script>alert(1)</script>@example.com`}}, "invalid_address"},
		"twice":        {url.Values{"identifier": {anns, strangers}}, "invalid_request"},
		"a line break": {url.Values{"identifier": {anns + "\r\nBcc: eve@example.com"}}, "invalid_request"},
		"a zero byte":  {url.Values{"identifier": {anns + "\x00"}}, "invalid_request"},
		"a wrong URL":  {url.Values{"identifier": {anns}, "redirect_uri": {"https://evil.example/"}}, "invalid_redirect_uri"},
	} {
		w := b.post(issuer+"/authorize", c.body)
		page := w.Body.String()
		if want(t, w, http.StatusBadRequest, c.code); strings.Contains(page, "<script>alert") || strings.Contains(page, strings.Repeat("a", 300)) {
			t.Errorf("%s:\n%s", name, page)
		}
		if c.code != "invalid_request" && c.code != "invalid_redirect_uri" && !strings.Contains(page, `name="identifier"`) {
			t.Errorf("%s: no form\n%s", name, page)
		}
	}
	if w := b.post(issuer+"/authorize?"+asked, url.Values{"identifier": {"ann@"}}); !strings.Contains(w.Body.String(), `value="ann@"`) ||
		!strings.Contains(w.Body.String(), `aria-invalid="true"`) || !strings.Contains(actionOf(w.Body.String()), asked) {
		t.Errorf("what was typed is lost:\n%s", w.Body)
	}
	w := b.post(issuer+"/authorize", url.Values{"identifier": {strings.Repeat("a", 70000)}})
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("70000 bytes: %d", w.Code)
	}
	// What belongs to other steps goes nowhere.
	w = b.post(issuer+"/authorize?"+asked, url.Values{"identifier": {anns}, "password": {"topsecret"}, "code": {"1"}, "provider": {"door"}, "token": {"x"}})
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || strings.Contains(to, "topsecret") || strings.Contains(to, "provider") || strings.Contains(to, "token") {
		t.Errorf("%d to %s", w.Code, to)
	}
	for name, h := range map[string]http.Header{
		"cross-site":    {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":     {"Sec-Fetch-Site": {"same-site"}},
		"by its origin": {"Sec-Fetch-Site": {""}, "Origin": {"https://evil.example"}},
		"null":          {"Sec-Fetch-Site": {""}, "Origin": {"null"}},
	} {
		c := f.browser()
		c.Header = h
		if w := c.post(issuer+"/authorize?"+asked, url.Values{"identifier": {anns}}); hintsOf(c) != 0 {
			t.Errorf("%s: a cookie", name)
		} else {
			want(t, w, http.StatusForbidden, "cross_origin")
		}
	}
	f.store.set(errors.New("down"))
	f.store.setGet(errors.New("down"))
	if !strings.Contains(b.types(anns, asked).Body.String(), anns) {
		t.Error("the store is needed")
	}
	// Without the setting there is no such step.
	plain := newWorld(t)
	w = plain.browser().post(issuer+"/authorize", url.Values{"identifier": {anns}})
	if w.Code != http.StatusMethodNotAllowed || !strings.HasPrefix(w.Header().Get("Allow"), "GET") {
		t.Errorf("%d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// With usernames one field takes both. A username leads to no mail.
func TestIdentifierFirst_Usernames(t *testing.T) {
	f := newFront(t, func(_ *home, c *postern.Config) { c.Usernames, c.Order = true, []string{"code", "password"} })
	b := f.browser()
	want(t, b.get(issuer+"/authorize?login_hint=Karl"), http.StatusOK, `type="text" name="identifier" value="karl" autocomplete="username"`)
	want(t, b.get(issuer+"/authorize"), http.StatusOK, "Email address or username")
	page := b.types(" Karl ", asked).Body.String()
	if got, want := texts(page)[:3], []string{"Email me a code", "or", "Password"}; !slices.Equal(got, want) ||
		!strings.Contains(page, `name="identifier" value="karl"`) {
		t.Errorf("%q, want %q\n%s", got, want, page)
	}
	for _, name := range []string{"ad", "-.-", "a b", strings.Repeat("a", 33), "\u212Aarl"} {
		want(t, b.post(issuer+"/authorize", url.Values{"identifier": {name}}), http.StatusBadRequest, "invalid_username")
	}
}

// A client that wants JSON has the same steps, also a script of a page, which opens nothing.
func TestIdentifierFirst_JSON(t *testing.T) {
	f := newFront(t, func(_ *home, c *postern.Config) { c.Origins = []string{"https://app.example.com"} })
	b := f.browser()
	b.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Origin": {"https://app.example.com"},
		"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}
	send := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", issuer+"/authorize", strings.NewReader(body))
		for name, values := range b.Header {
			r.Header[name] = values
		}
		return b.do(r)
	}
	type step struct {
		Step  string
		Error string
		Args  map[string]string
		Forms []struct {
			URL      string
			Hidden   map[string]string
			Username string
			Fields   []struct{ Name string }
		}
		Links []struct{ Name, URL string }
	}
	page := decoded[step](t, b.json("GET", "/authorize?"+asked, ""))
	if page.Step != "postern.choose" || len(page.Forms) != 1 || page.Forms[0].URL != issuer+"/authorize?"+asked || page.Forms[0].Fields[0].Name != "identifier" {
		t.Fatalf("%+v", page)
	}
	page = decoded[step](t, send(`{"identifier":"`+anns+`","redirect_uri":"/welcome","state":"s1"}`))
	if page.Step != "postern.ways" || page.Args["identifier"] != anns || len(page.Forms) != 1 || page.Forms[0].Username != anns || page.Forms[0].Hidden["identifier"] != anns {
		t.Fatalf("%+v", page)
	}
	var code string
	for _, l := range page.Links {
		if l.Name == "provider:code" {
			code = l.URL
		}
	}
	if w := b.json("GET", strings.TrimPrefix(code, issuer), ""); !strings.Contains(w.Body.String(), `"value":"`+anns+`"`) {
		t.Errorf("%s: %d %s", code, w.Code, w.Body)
	}
	body, _ := json.Marshal(map[string]string{"state": page.Forms[0].Hidden["state"], "identifier": anns, "password": first})
	r := httptest.NewRequest("POST", page.Forms[0].URL, strings.NewReader(string(body)))
	for name, values := range b.Header {
		r.Header[name] = values
	}
	if to := redirectURI(t, b.do(r)); !strings.HasSuffix(to, "/welcome?state=s1") {
		t.Errorf("to %s", to)
	}
	for body, code := range map[string]string{
		`{"identifier":"ann"}`: "invalid_address",
		`{}`:                   "missing_field",
		`{"identifier":"` + anns + `","password":"x"}`:            "invalid_request",
		`{"identifier":["` + anns + `"]}`:                         "invalid_request",
		`{"identifier":"` + anns + `","identifier":"x"}`:          "invalid_request",
		`{"identifier":"` + anns + `","redirect_uri":"/nowhere"}`: "invalid_redirect_uri",
	} {
		if w := send(body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"error":"`+code+`"`) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	b.Header.Set("Origin", "https://evil.example")
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	want(t, send(`{"identifier":"`+anns+`"}`), http.StatusForbidden, "cross_origin")
}

func TestNew_IdentifierFirst(t *testing.T) {
	v := newWorld(t)
	c := config(v.sessions, "/welcome")
	c.Providers, c.IdentifierFirst = map[string]postern.Provider{"desk": desk{}, "door": door{}}, true
	if _, err := postern.New(c); err == nil || !strings.Contains(err.Error(), "Config.IdentifierFirst needs a provider") {
		t.Errorf("%v", err)
	}
}

// The parameter login_hint fills the forms of the providers, with or without the page that asks for an address.
func TestLoginHint(t *testing.T) {
	for _, before := range []bool{true, false} {
		f := newFront(t, func(_ *home, c *postern.Config) { c.IdentifierFirst = before })
		b := f.browser()
		for hint, want := range map[string]string{anns: anns, "Ann@Example.com": "Ann@Example.com", "ann": "", "x@y@example.com": "", strings.Repeat("a", 300) + "@example.com": ""} {
			q := "?" + url.Values{"login_hint": {hint}, "redirect_uri": {"/welcome"}}.Encode()
			for _, path := range []string{"/password/authorize", "/code/authorize", "/sign-up"} {
				page := b.get(issuer + path + q).Body.String()
				if filled := regexp.MustCompile(`name="(?:identifier|email)" value="([^"]*)"`).FindStringSubmatch(page); (filled != nil) != (want != "") || want != "" && filled[1] != want {
					t.Errorf("%s %.30q: %q", path, hint, filled)
				}
			}
		}
	}
}
