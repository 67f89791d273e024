package accounts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// Fifty secrets lie in the rows of a user, beside those that are there anyway. None of them, and no key, token, code or
// link, is in what leaves: to the person, to an administrator, and from the directory.
func TestR7_FiftyCanaries(t *testing.T) {
	s := newScene(t)
	s.ada.must(200, "", "POST", "/password/set", object{"new_password": first})
	s.person().must(200, "", "POST", "/password/forgot", object{"identifier": oldAddress})
	s.boss.must(204, "", "POST", "/admin/users/invite", object{"address": "guest@example.com"})
	s.ada.must(202, "", "POST", "/account/addresses", object{"address": newAddress})
	part := head.Part(s.dir.Pool(), s.id)
	secrets := []string{first}
	for i := range 50 {
		canary := fmt.Sprintf("canary%dsecret", i)
		id := []string{"factor:totp", "factor:recovery", "passkey:", "dev:", "wait:", "grant:", "key:", "device:", "token ", "password reset "}[i%10] + canary
		value, _ := json.Marshal(object{"hash": canary, "seed": canary, "mac": canary, "name": canary, "addresses": []object{{"value": canary}}})
		if err := s.store.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: part, ID: id}, Value: value})); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, canary)
	}
	rows := 0
	for after := ""; ; {
		items, next, err := s.store.List(t.Context(), part, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			rows++
			if item.Key.ID != "user" && item.Key.ID != "seen" && item.Key.ID != head.ID && !strings.HasPrefix(item.Key.ID, "ev:") {
				secrets = append(secrets, string(item.Value))
				var row struct {
					Hash string `json:"hash"`
					MAC  string `json:"mac"`
				}
				_ = json.Unmarshal(item.Value, &row) // a sealed row is no JSON
				secrets = append(secrets, row.Hash, row.MAC)
			}
		}
		if after = next; next == "" {
			break
		}
	}
	if rows < 55 {
		t.Fatalf("%d rows", rows)
	}
	for _, p := range []*person{s.ada, s.boss, s.other} {
		for _, value := range p.Cookies {
			secrets = append(secrets, value)
		}
	}
	for _, m := range s.mails.All() {
		if link := m.Arg("link"); link != "" {
			u, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, u.Query().Get("token"), u.Query().Get("invitation"))
		}
		secrets = append(secrets, m.Arg("code"))
	}
	secrets = slices.DeleteFunc(secrets, func(text string) bool { return len(text) < 6 || text == s.id })
	if len(secrets) < 100 {
		t.Fatalf("%d secrets", len(secrets))
	}
	var own strings.Builder
	if err := s.dir.Export(t.Context(), &own, s.id); err != nil {
		t.Fatal(err)
	}
	for from, text := range map[string]string{
		"the account":        s.ada.must(200, "", "GET", "/account/export", nil).Body.String(),
		"the administration": s.boss.must(200, "", "GET", "/admin/users/"+s.id+"/export", nil).Body.String(),
		"the directory":      own.String(),
	} {
		if !strings.Contains(text, oldAddress) {
			t.Errorf("the export from %s has no address:\n%s", from, text)
		}
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the export from %s has the secret %q", from, secret)
			}
		}
	}
}

// hostile are names and headers of a person who wants to write into the mails of others.
var hostile = []string{
	"evil.example", "https://evil.example/x", "<a href=//evil.example>click</a>", "<script src=//evil.example></script>", "evil.example\r\nBcc: all@example.com",
	"\u202eelpmaxe.live evil.example", "Your account evil.example was closed", "evil.example%0aBcc:x", "=?utf-8?q?evil.example?=", "\"><img src=//evil.example>",
	"[click](https://evil.example)", "evil.example\u2028new line", "{{.Secret}} evil.example", "${evil.example}", "www.evil.example", "EVIL.EXAMPLE",
	"javascript:evil.example", "data:text/html,evil.example", "evil.example\x00", "evil.example\t\ttab", "Support evil.example <help@evil.example>",
	"evil.example, call +1 555 0100", "\u200bevil.example", "evil.example\u0085", "&lt;evil.example&gt;", "evil.example;q=1", "en, evil.example",
	"Mozilla/5.0 (evil.example)", "Firefox/evil.example", strings.Repeat("evil.example ", 30),
}

// No mail of the account repeats what somebody else typed or sent: names, user agents, languages, new addresses.
func TestL3_AccountMails(t *testing.T) {
	seen := map[string]bool{}
	for i, text := range hostile {
		v := newVillage(t, nil)
		s := &scene{village: v}
		as := func(p *person) *person {
			p.Header.Set("User-Agent", text)
			p.Header.Set("Accept-Language", text)
			return p
		}
		s.ada = as(s.person())
		s.ada.at("door", text+" ada@old.example") // the provider says the name
		if s.ada.id() == "" {
			s.ada.at("door", fmt.Sprintf("hostile%d ada@old.example", i))
		}
		s.id = s.ada.id()
		_ = s.ada.do("PATCH", "/account", object{"name": text})
		s.ada.at("door", text)
		if a := s.ada.back(s.ada.do("GET", "/step-up/door", nil), "hostile"); a.Code >= 400 {
			s.ada.back(s.ada.do("GET", "/step-up/door", nil), text)
		}
		_ = s.ada.do("PATCH", "/account", object{"name": text})
		a := s.ada.back(s.ada.do("POST", "/account/identities/gate", nil), "gate")
		_ = s.ada.do("POST", "/link", object{"state": a.hidden("state"), "choice": "add"})
		_ = s.ada.do("POST", "/password/set", object{"new_password": first})
		_ = s.ada.do("POST", "/password/change", object{"password": first, "new_password": second})
		_ = s.ada.do("POST", "/account/addresses", object{"address": "thief@evil.example"})
		for _, m := range v.mails.All() {
			if m.Name == "postern.new-address" {
				_ = s.ada.do("POST", "/account/addresses/confirm", object{"code": m.Arg("code")})
			}
		}
		list, _ := s.ada.do("GET", "/account", nil).json["addresses"].([]any)
		for _, one := range list {
			if x := one.(object); x["value"] == "ada@old.example" {
				_ = s.ada.do("DELETE", "/account/addresses/"+x["id"].(string), nil)
			}
		}
		_ = as(s.person()).do("POST", "/password/forgot", object{"identifier": "ada@old.example"})
		_ = as(s.person()).do("POST", "/sign-up", object{"email": "ada@old.example"})
		_ = as(s.person()).do("POST", "/code/authorize", object{"email": "ada@old.example"})
		if s.id != "" {
			_ = s.ada.do("DELETE", "/account?confirm="+s.id, nil)
		}
		for _, m := range v.mails.All() {
			seen[m.Name] = true
			if strings.ContainsAny(m.Subject, "\r\n") || strings.ContainsAny(m.To, "\r\n ,") {
				t.Errorf("%s: header %q to %q", m.Name, m.Subject, m.To)
			}
			for part, body := range map[string]string{"subject": m.Subject, "text": m.Text, "html": m.HTML} {
				if strings.Contains(strings.ToLower(body), "evil.example") {
					t.Errorf("%q is in the %s of %s:\n%s", text, part, m.Name, body)
				}
			}
		}
	}
	for _, name := range []string{"postern.new-address", "postern.address-change", "postern.address-changed", "postern.address-removed", "postern.address-undo",
		"postern.identity-linked", "password.added", "password.changed", "postern.account-deleted"} {
		if !seen[name] {
			t.Errorf("no mail %s was sent: %v", name, seen)
		}
	}
}

// X4: each route of the account and of the sign-up trusts its own list of origins, and not that of the sessions.
func TestX4_EachRoute(t *testing.T) {
	text, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	s := newScene(t)
	foreign := []http.Header{
		{"Origin": {"https://spa.example"}},
		{"Origin": {"https://spa.example"}, "Sec-Fetch-Site": {"same-site"}},
		{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}},
		{"Origin": {"https://app.example.evil.example"}},
		{"Origin": {"null"}},
		{"Origin": {"https://app.example"}, "Sec-Fetch-Site": {"cross-site"}},
	}
	routes := 0
	for path, methods := range document.Paths {
		room := strings.Split(path, "/")[1]
		if !slices.Contains([]string{"account", "sign-up", "link", "join", "step-up", "admin"}, room) {
			continue
		}
		page := room != "account" && room != "admin" || slices.Contains([]string{"/account/stop", "/account/undo", "/account/confirm", "/account/code/link"}, path)
		for name := range methods {
			method := strings.ToUpper(name)
			if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) || page && method == "GET" { // a link may lead to a page
				continue
			}
			routes++
			for i, header := range foreign {
				if page && i == 3 { // no browser sends this: pages of a browser go by Sec-Fetch-Site
					continue
				}
				p, body, media := s.ada, "{}", "application/json"
				if room == "admin" {
					p = s.boss
				}
				if page {
					body, media = "state=x", "application/x-www-form-urlencoded"
				}
				r := httptest.NewRequest(method, base+strings.NewReplacer("{id}", s.id, "{sid}", s.sid(), "{provider}", "door").Replace(path), strings.NewReader(body))
				r.Header.Set("Accept", "application/json")
				r.Header.Set("Content-Type", media)
				for name, values := range header {
					r.Header[name] = values
				}
				rec := p.Clone().Do(r)
				var answer struct{ Error string }
				_ = json.Unmarshal(rec.Body.Bytes(), &answer)
				if rec.Code != http.StatusForbidden || answer.Error != "cross_origin" {
					t.Errorf("%s %s from %v: %d %s", method, path, header, rec.Code, rec.Body)
				}
			}
		}
	}
	if routes < 30 {
		t.Errorf("%d routes", routes)
	}
	if s.ada.id() != s.id || s.other.id() != s.id {
		t.Error("a request of another site ended a session")
	}
}
