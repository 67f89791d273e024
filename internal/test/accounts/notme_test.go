package accounts

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// resident makes a user with a password and an account at the door, and a thief with a fresh session of it.
func (v *village) resident() (ada string, thief *person) {
	v.Helper()
	p := v.person()
	p.signUp(oldAddress, first)
	ada = p.id()
	p.link("door", "ada")
	v.Advance(8 * 24 * time.Hour) // what was done here cannot be undone any more
	thief = v.person()
	thief.Header.Set("User-Agent", agent)
	if a := thief.byPassword(oldAddress, first); a.Code != 200 || thief.id() != ada {
		v.Fatalf("%d %s", a.Code, a.Body)
	}
	v.mails.Take()
	return ada, thief
}

// link adds an account at another site.
func (p *person) link(provider, who string) {
	p.v.Helper()
	a := p.back(p.do("POST", "/account/identities/"+provider, nil), who)
	p.must(200, "", "POST", "/link", object{"state": a.hidden("state"), "choice": "add"})
}

// chief signs an administrator in.
func (v *village) chief() *person {
	v.Helper()
	boss := v.person()
	boss.at("door", "boss")
	v.roles(boss.id(), "owner", "keeper")
	boss.at("door", "boss")
	boss.prove("boss")
	return boss
}

// reset sets another password by a mail.
func (p *person) reset(address, password string) reply {
	p.v.Helper()
	p.must(200, "", "POST", "/password/forgot", object{"identifier": address})
	_, q := p.v.link(p.v.mailed("password.reset"))
	return p.do("POST", "/password/reset", object{"token": q.Get("token"), "password": password})
}

// deeds are what a thief, or an administrator, does to an account, by the name of the notice.
var deeds = map[string]func(v *village, ada string, thief *person){
	"password.changed": func(_ *village, _ string, thief *person) {
		thief.must(200, "", "POST", "/password/change", object{"password": first, "new_password": second})
	},
	"password.removed": func(_ *village, _ string, thief *person) { thief.must(200, "", "POST", "/password/remove", object{}) },
	"password.added": func(v *village, _ string, thief *person) {
		thief.must(200, "", "POST", "/password/remove", object{})
		v.mails.Take()
		thief.must(200, "", "POST", "/password/set", object{"new_password": second})
	},
	"password.was-reset":        func(_ *village, _ string, thief *person) { thief.reset(oldAddress, second) },
	"postern.identity-linked":   func(_ *village, _ string, thief *person) { thief.link("gate", "thief") },
	"postern.identity-unlinked": func(_ *village, _ string, thief *person) { thief.unlink() },
	"postern.address-changed":   func(_ *village, _ string, thief *person) { thief.add(newAddress) },
	"postern.address-removed": func(v *village, _ string, thief *person) {
		thief.add(newAddress)
		v.Advance(8 * 24 * time.Hour)
		thief.byPassword(oldAddress, first)
		v.mails.Take()
		thief.must(204, "", "DELETE", "/account/addresses/"+thief.addressID(newAddress), nil)
	},
	"postern.way-removed": func(v *village, ada string, _ *person) {
		v.chief().must(204, "", "DELETE", "/admin/users/"+ada+"/password", nil)
	},
	"postern.address-offered": func(v *village, ada string, _ *person) {
		v.chief().must(204, "", "POST", "/admin/users/"+ada+"/addresses", object{"address": newAddress})
	},
	"postern.address-added": func(v *village, ada string, thief *person) {
		v.chief().must(204, "", "POST", "/admin/users/"+ada+"/addresses", object{"address": newAddress})
		_, q := v.link(v.mailed("postern.confirm-address"))
		thief.must(200, "", "POST", "/account/confirm", q)
	},
	"postern.account-unfrozen": func(v *village, _ string, thief *person) {
		thief.add(newAddress)
		v.person().must(200, "", "POST", "/account/undo", v.notMe("postern.address-changed", oldAddress))
		thief.byPassword(oldAddress, first)
		thief.must(204, "", "DELETE", "/account/freeze", nil)
	},
}

// unlink removes the account at the door.
func (p *person) unlink() {
	p.v.Helper()
	list, _ := p.must(200, "", "GET", "/account/identities", nil).json["identities"].([]any)
	for _, one := range list {
		if one.(object)["provider"] == "door" {
			p.must(204, "", "DELETE", "/account/identities/"+one.(object)["id"].(string), nil)
		}
	}
}

// notMe returns the parameters of the link "This was not me" in the last notice of a name to an address; nil: it has
// none.
func (v *village) notMe(name, to string) url.Values {
	v.Helper()
	all := v.mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name && all[i].To == to {
			if all[i].Arg("link") == "" {
				return nil
			}
			_, q := v.link(all[i])
			return q
		}
	}
	v.Fatalf("%s got no %s", to, name)
	return nil
}

// TestNotMe: every notice says what happened, when and with which device, and has a link whose page changes nothing and
// whose button, once and within seven days, ends all sessions and refuses what came after the event. It is pressed by
// somebody who is signed out. The owner signs in with what was there before.
func TestNotMe(t *testing.T) {
	for name, deed := range deeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVillage(t, nil)
			ada, thief := v.resident()
			deed(v, ada, thief)
			byAdmin := strings.HasSuffix(name, "way-removed") || strings.HasSuffix(name, "offered") || strings.HasSuffix(name, "added") && strings.HasPrefix(name, "postern")
			m, q := v.mailed(name), v.notMe(name, oldAddress)
			if q == nil {
				t.Fatal("no link")
			}
			if subject := m.Subject; subject == "A change of your account at Village" || !strings.Contains(subject, "Village") {
				t.Errorf("subject %q", subject)
			}
			for _, m := range v.mails.All() {
				if m.Name != name || m.To != oldAddress {
					continue
				}
				if !strings.Contains(m.Text, "It happened on ") || strings.Contains(m.Text, "with Firefox on Linux, from the address 192.0.2.1") == byAdmin || !strings.Contains(m.Text, "This was not me\n\n"+m.Arg("link")) {
					t.Errorf("%s", m.Text)
				}
				if _, ok := m.Args["time"].(time.Time); !ok || !byAdmin && (m.Arg("device") != "Firefox on Linux" || m.Arg("address") != "192.0.2.1") {
					t.Errorf("%v", m.Args)
				}
			}
			friend := v.person()
			if a := friend.byCode(oldAddress); a.Code != 200 || friend.id() != ada {
				t.Fatalf("before: %d %s", a.Code, a.Body)
			}
			v.Advance(7*24*time.Hour - time.Second)
			anyone := v.person()
			for _, method := range []string{"GET", "GET"} {
				if a := anyone.must(200, "", method, "/account/undo?"+q.Encode(), nil); a.text("step") != "postern.not-me" {
					t.Errorf("%s", a.Body)
				}
			}
			for _, bad := range []url.Values{{"user": q["user"], "token": {"x"}}, {"user": {"nobody"}, "token": q["token"]}, {"user": q["user"]}} {
				anyone.must(400, "expired_code", "POST", "/account/undo", bad)
			}
			friend.byCode(oldAddress)
			if a := anyone.must(200, "", "POST", "/account/undo", q); a.text("step") != "postern.stopped" {
				t.Errorf("%s", a.Body)
			}
			anyone.must(400, "expired_code", "POST", "/account/undo", q)
			anyone.must(400, "expired_code", "GET", "/account/undo?"+q.Encode(), nil)
			for who, p := range map[string]*person{"thief": thief, "friend": friend} {
				if p.id() != "" {
					t.Errorf("the session of the %s lives", who)
				}
			}
			for way, enter := range map[string]func(p *person) reply{
				"password": func(p *person) reply { return p.byPassword(oldAddress, second) },
				"identity": func(p *person) reply { return p.at("gate", "thief") },
				"address":  func(p *person) reply { return p.byCode(newAddress) },
			} {
				p := v.person()
				if enter(p); p.id() == ada {
					t.Errorf("the thief is in by %s", way)
				}
			}
			owner := v.person()
			if a := owner.byCode(oldAddress); a.Code != 200 || owner.id() != ada {
				t.Errorf("the owner: %d %s", a.Code, a.Body)
			}
			if v.mailed("postern.account-stopped").Arg("link") != "" {
				t.Error("the notice about the stop has a link")
			}
		})
	}
}

// The owner whose password a thief has changed sets another one by a mail to an address from before. One that the thief
// has added gets no reset, and after the thief's ways are gone the account is free.
func TestNotMe_PasswordComesBack(t *testing.T) {
	v := newVillage(t, nil)
	ada, thief := v.resident()
	deeds["password.changed"](v, ada, thief)
	thief.add(newAddress)
	v.person().must(200, "", "POST", "/account/undo", v.notMe("password.changed", oldAddress))
	v.person().must(200, "", "POST", "/password/forgot", object{"identifier": newAddress})
	if m := v.mailed("password.frozen"); m.To != newAddress || m.Arg("link") != "" {
		t.Errorf("%+v", m)
	}
	owner := v.person()
	v.Advance(time.Second)
	if a := owner.reset(oldAddress, "drei blaue boote am steg"); a.Code >= 400 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if a := owner.byPassword(oldAddress, "drei blaue boote am steg"); a.Code != 200 || owner.id() != ada {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if a := owner.must(200, "", "GET", "/account", nil); a.json["frozen"] != true {
		t.Error("the address of the thief is there, and the account is not frozen")
	}
	owner.must(204, "", "DELETE", "/account/addresses/"+owner.addressID(newAddress), nil)
	again := v.person()
	again.byPassword(oldAddress, "drei blaue boote am steg")
	if a := again.must(200, "", "GET", "/account", nil); a.json["frozen"] != nil {
		t.Errorf("%s", a.Body)
	}
}

// An address that a thief has added gets the notices about what the owner does, and no link that stops it. After seven
// days it is an address of the person as any other.
func TestNotMe_AddressOfAThief(t *testing.T) {
	v := newVillage(t, nil)
	_, thief := v.resident()
	thief.add(newAddress)
	owner := v.person()
	owner.byPassword(oldAddress, first)
	owner.must(200, "", "POST", "/password/change", object{"password": first, "new_password": second})
	if v.notMe("password.changed", newAddress) != nil {
		t.Error("the thief can stop what the owner does")
	}
	if v.notMe("password.changed", oldAddress) == nil {
		t.Error("the owner cannot")
	}
	v.Advance(7*24*time.Hour + time.Second)
	again := v.person()
	again.byPassword(oldAddress, second)
	again.must(200, "", "POST", "/password/change", object{"password": second, "new_password": first})
	if v.notMe("password.changed", newAddress) == nil {
		t.Error("an address of a week gets no link")
	}
}

// A thief who causes many notices does not push out the first, and no link of theirs brings back what the first
// refuses.
func TestNotMe_ManyNotices(t *testing.T) {
	v := newVillage(t, nil)
	ada, thief := v.resident()
	thief.link("gate", "thief")
	of := v.notMe("postern.identity-linked", oldAddress)
	for range 26 {
		v.Advance(time.Hour)
		thief.byPassword(oldAddress, first)
		thief.must(200, "", "POST", "/password/change", object{"password": first, "new_password": first})
	}
	last := v.notMe("password.changed", oldAddress)
	v.person().must(200, "", "POST", "/account/undo", last)
	v.person().must(200, "", "POST", "/account/undo", of)
	v.person().must(400, "expired_code", "POST", "/account/undo", of)
	if p := v.person(); p.at("gate", "thief").Code != 403 || p.id() != "" {
		t.Error("the thief is in")
	}
	if p := v.person(); p.byPassword(oldAddress, first).Code == 200 {
		t.Error("the password of the thief works")
	}
	owner := v.person()
	if a := owner.byCode(oldAddress); owner.id() != ada {
		t.Errorf("the owner: %d %s", a.Code, a.Body)
	}
	// The links of what came after the first are gone with it.
	for _, m := range v.mails.All() {
		if m.Name == "password.changed" {
			_, q := v.link(m)
			v.person().must(400, "expired_code", "POST", "/account/undo", q)
		}
	}
}

// The link is dead after seven days, and after the account is deleted.
func TestNotMe_Dead(t *testing.T) {
	for name, then := range map[string]func(v *village, thief *person, ada string){
		"late": func(v *village, _ *person, _ string) { v.Advance(7 * 24 * time.Hour) },
		"deleted": func(_ *village, thief *person, ada string) {
			thief.must(204, "", "DELETE", "/account?confirm="+ada, nil)
		},
	} {
		v := newVillage(t, nil)
		ada, thief := v.resident()
		deeds["password.changed"](v, ada, thief)
		q := v.notMe("password.changed", oldAddress)
		then(v, thief, ada)
		for _, method := range []string{"GET", "POST"} {
			target, body := "/account/undo", any(q)
			if method == "GET" {
				target, body = target+"?"+q.Encode(), nil
			}
			if a := v.person().do(method, target, body); a.Code != http.StatusBadRequest || a.text("error") != "expired_code" {
				t.Errorf("%s: %s: %d %s", name, method, a.Code, a.Body)
			}
		}
	}
}

// Two presses at once: one stops, or both, and the account is whole.
func TestNotMe_Twice(t *testing.T) {
	v := newVillage(t, nil)
	ada, thief := v.resident()
	deeds["password.changed"](v, ada, thief)
	q := v.notMe("password.changed", oldAddress)
	codes := make(chan int, 4)
	for range cap(codes) {
		p := v.person()
		go func() { codes <- p.do("POST", "/account/undo", q).Code }()
	}
	got := []int{}
	for range cap(codes) {
		got = append(got, <-codes)
	}
	if !slices.Contains(got, 200) || slices.ContainsFunc(got, func(c int) bool { return c != 200 && c != 400 }) {
		t.Errorf("%v", got)
	}
	owner := v.person()
	if a := owner.byCode(oldAddress); thief.id() != "" || owner.id() != ada {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
