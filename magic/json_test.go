package magic_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A step is an answer to a client that wants JSON.
type step struct {
	status      int
	Step        string
	Title, Text string
	Args        map[string]any
	Error       string
	Description string `json:"error_description"`
	RedirectURI string `json:"redirect_uri"`
	Forms       []struct {
		Name, URL string
		Hidden    map[string]string
		Fields    []struct{ Name, Label, Type, Value string }
	}
	Links []struct{ Name, URL string }
}

func (c *client) step(a answer) step {
	c.w.t.Helper()
	s := step{status: a.StatusCode}
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" ||
		a.Header.Get("Location") != "" {
		c.w.t.Errorf("%v: %d %v\n%s", err, a.StatusCode, a.Header, a.body)
	}
	return s
}

// fill sends the form of a step with a field that a person filled in, as JSON or as a form.
func (c *client) fill(script bool, s step, name, value string) step {
	c.w.t.Helper()
	values := url.Values{name: {value}}
	for hidden, value := range s.Forms[0].Hidden {
		values.Set(hidden, value)
	}
	if !script {
		return c.step(c.post(s.Forms[0].URL, values))
	}
	flat := map[string]string{}
	for name := range values {
		flat[name] = values.Get(name)
	}
	body, err := json.Marshal(flat)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return c.step(c.postJSON(s.Forms[0].URL, string(body)))
}

func (c *client) postJSON(target, body string) answer {
	r := c.Request("POST", target, url.Values{})
	json := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Body, r.ContentLength = json.Body, json.ContentLength
	r.Header.Set("Content-Type", "application/json")
	return c.do(r)
}

// A link is opened and its button pressed by a program that got both from the mailbox; in a browser that did not ask,
// the step has another name.
func TestLink_JSON(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	c.Header.Set("Accept", "application/json")
	sent := c.step(c.postJSON(issuer+"/link/authorize", `{"email":"`+ada+`","redirect_uri":"`+deep+`","state":"s1"}`))
	waits := c.step(c.get(sent.RedirectURI))
	if waits.Step != "magic.sent" || len(waits.Forms) != 0 || waits.Links[0].Name != "again" || !strings.Contains(waits.Links[0].URL, "redirect_uri="+url.QueryEscape(deep)) {
		t.Errorf("%+v", waits)
	}
	other := w.browser()
	other.Header.Set("Accept", "application/json")
	if s := other.step(other.get(w.mail().Arg("link"))); s.Step != "magic.link-elsewhere" || s.Forms[0].Hidden["browser"] != "this" {
		t.Errorf("%+v", s)
	}
	opened := c.step(c.get(w.mail().Arg("link")))
	if opened.Step != "magic.link" || opened.Args["to"] != "a…@example.com" || opened.Args["device"] != "Firefox on Linux" {
		t.Errorf("%+v", opened)
	}
	if done := c.fill(true, opened, "state", opened.Forms[0].Hidden["state"]); done.RedirectURI != deep+"?state=s1" {
		t.Errorf("%+v", done)
	}
	w.signedIn()
	if used := c.step(c.get(w.mail().Arg("link"))); used.status != 400 || used.Error != "link_used" {
		t.Errorf("%+v", used)
	}
}

// Nothing is mailed and no code is charged for a body that is not a flat object of known members.
func TestJSON_Hostile(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("code", ada, "")
	before := w.store.count()
	c.Header.Set("Accept", "application/json")
	for _, body := range []string{
		"", "null", "[]", `"x"`, "{", `{"email":null}`, `{"email":["bob@example.com"]}`, `{"email":{"a":"bob@example.com"}}`, `{"email":"bob@example.com","email":"eve@evil.example"}`,
		`{"email":"bob@example.com","Email":"eve@evil.example"}`, `{"email":"bob@example.com","\u0065mail":"eve@evil.example"}`, `{"email":"bob@example.com\u0000"}`,
		`{"email":"bob@example.com","role":"admin"}`, `{"email":"bob@example.com","code":"1"}`, `{"email":"bob@example.com","provider":"x"}`, `{"email":"bob@example.com"} x`,
		`{"email":"bob@example.com","__proto__":"x"}`, `{"email":"bob@example.com\r\nBcc: eve@evil.example"}`, "email=bob@example.com", `{"redirect_uri":"` + home + `"}`,
		`{"email":true}`, `{"email":1}`, `{"email":""}`, `{"email":"bob@example.com","redirect_uri":"https://evil.example/"}`, `{"email":"\ud800@example.com"}`,
	} {
		if s := c.step(c.postJSON(issuer+"/code/authorize", body)); s.status != 400 || s.Error == "" {
			t.Errorf("authorize %s: %+v", body, s)
		}
	}
	for _, body := range []string{
		`{"state":"` + state + `"}`, `{"code":"` + m.Arg("code") + `"}`, `{"state":"` + state + `","code":["` + m.Arg("code") + `"]}`, `{"state":"` + state + `","code":"` + m.Arg("code") + `","x":"1"}`,
		`{"state":"` + state + `","code":"` + m.Arg("code") + `","Code":"000000"}`, `{"state":"` + state + `","code":null}`,
	} {
		if s := c.step(c.postJSON(issuer+"/code/callback", body)); s.status != 400 || s.Error == "" {
			t.Errorf("callback %s: %+v", body, s)
		}
	}
	if s := c.step(c.postJSON(issuer+"/code/authorize", `{"email":"`+strings.Repeat("x", 64<<10)+`"}`)); s.status != http.StatusRequestEntityTooLarge || s.Error != "request_too_large" {
		t.Errorf("%+v", s)
	}
	if w.mailCount() != 1 || w.store.count() != before || w.signInCount() != 0 {
		t.Errorf("%d mails, %d writes, %d sign-ins", w.mailCount(), w.store.count()-before, w.signInCount())
	}
	// Numbers and letters are one field: a code may be sent as a number if it has no zero in front.
	if s := c.step(c.postJSON(issuer+"/code/callback", `{"state":"`+state+`","code":"`+m.Arg("code")+`"}`)); s.status != 200 || s.RedirectURI != home {
		t.Errorf("%+v", s)
	}
	w.signedIn()
}
