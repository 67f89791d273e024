package accounts

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	oldAddress = "ada@old.example"
	newAddress = "eve@new.example"
)

// gone fails if an address signs anybody in, resets a password, or gets an account.
func (v *village) gone(address string) {
	v.Helper()
	p := v.person()
	for way, a := range map[string]reply{"code": p.byCode(address), "link": p.byLink(address), "sign-up": p.signUp(address, first)} {
		if a.Code < 400 || p.id() != "" {
			v.Errorf("%s by %s: %d %s", address, way, a.Code, a.Body)
		}
	}
	p.must(200, "", "POST", "/password/forgot", object{"identifier": address})
	for _, m := range v.mails.All() {
		if m.To == address && strings.HasPrefix(m.Name, "password.") && m.Arg("link") != "" {
			v.Errorf("%s got a link: %s", address, m.Name)
		}
	}
}

// undo opens the link of the last notice about a change that was mailed to an address, and presses the button.
func (v *village) undo(to string) reply {
	v.Helper()
	all := v.mails.All()
	i := len(all) - 1
	for ; i >= 0 && (all[i].Name != "postern.address-undo" || all[i].To != to); i-- {
	}
	if i < 0 {
		v.Fatalf("%s got no link", to)
	}
	path, q := v.link(all[i])
	b := v.person()
	if a := b.do("GET", path+"?"+q.Encode(), nil); a.Code != http.StatusOK {
		return a
	}
	return b.do("POST", path, q)
}

// A thief of the session of an account with an address alone changes the address. The owner of the old mailbox
// undoes it: the thief is out and stays out, with every way that the thief added, and the owner is in.
func TestA14_UndoByTheOldMailbox(t *testing.T) {
	v := newVillage(t, nil)
	thief := v.person()
	thief.byCode(oldAddress)
	ada := thief.id()
	thief.prove("")
	thief.replace(oldAddress, newAddress)
	v.gone(oldAddress)
	if m := v.mailed("postern.address-undo"); m.To != oldAddress || strings.Contains(m.Text, newAddress) {
		t.Errorf("the notice is to %s:\n%s", m.To, m.Text)
	}
	thief.prove("")
	thief.must(200, "", "POST", "/password/set", object{"new_password": second})
	thief.must(200, "", "POST", "/password/forgot", object{"identifier": newAddress})
	reset := v.mailed("password.reset")
	thief.must(202, "", "POST", "/account/addresses", object{"address": "third@new.example"})
	waiting := v.mailed("postern.new-address").Arg("code")
	v.Advance(6 * 24 * time.Hour)
	again := v.person()
	again.byCode(newAddress) // the thief, anew
	if a := v.undo(oldAddress); a.Code != 200 || a.text("step") != "postern.change-undone" {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	for name, p := range map[string]*person{"old session": thief, "new session": again} {
		if p.id() != "" {
			t.Errorf("the %s lives", name)
		}
	}
	if a := again.do("POST", "/account/addresses/confirm", object{"code": waiting}); a.Code < 400 {
		t.Errorf("the change that waited: %d %s", a.Code, a.Body)
	}
	_, q := v.link(reset)
	if a := again.do("POST", "/password/reset", object{"token": q.Get("token"), "password": second}); a.Code < 400 {
		t.Errorf("the reset that waited: %d", a.Code)
	}
	for _, name := range []string{oldAddress, newAddress} {
		if a := again.byPassword(name, second); a.Code < 400 || again.id() != "" {
			t.Errorf("the thief's password with %s: %d %s", name, a.Code, a.Body)
		}
	}
	if a := again.byCode(newAddress); again.id() == ada {
		t.Errorf("the thief's address: %d %s", a.Code, a.Body)
	}
	owner := v.person()
	if a := owner.byCode(oldAddress); a.Code != 200 || owner.id() != ada {
		t.Fatalf("the owner: %d %s", a.Code, a.Body)
	}
	if a := v.undo(oldAddress); a.Code != 400 {
		t.Errorf("the link worked twice: %d %s", a.Code, a.Body)
	}
	// A reset is refused until the owner says that all that is there now is theirs.
	owner.must(200, "", "POST", "/password/forgot", object{"identifier": oldAddress})
	if m := v.mailed("password.frozen"); m.To != oldAddress || m.Arg("link") != "" {
		t.Errorf("%+v", m)
	}
	if a := owner.must(200, "", "GET", "/account", nil); a.json["frozen"] != true {
		t.Errorf("%s", a.Body)
	}
	owner.must(401, "insufficient_user_authentication", "DELETE", "/account/freeze", nil)
}

// An account that had another way in before the change is frozen: the old mailbox, which may be another's by now, gets
// nothing, and neither does what came with the change.
func TestA14_UndoFreezes(t *testing.T) {
	v := newVillage(t, nil)
	v.person().signUp(oldAddress, first)
	thief := v.person()
	thief.byPassword(oldAddress, first)
	ada := thief.id()
	thief.replace(oldAddress, newAddress)
	thief.back(thief.do("POST", "/account/identities/gate", nil), "thief") // begun, and answered below
	a := thief.back(thief.do("POST", "/account/identities/gate", nil), "thief")
	thief.must(200, "", "POST", "/link", object{"state": a.hidden("state"), "choice": "add"})
	if a := v.undo(oldAddress); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	for way, enter := range map[string]func(p *person) reply{
		"new address, code": func(p *person) reply { return p.byCode(newAddress) },
		"new address, link": func(p *person) reply { return p.byLink(newAddress) },
		"old address, code": func(p *person) reply { return p.byCode(oldAddress) },
		"old address, link": func(p *person) reply { return p.byLink(oldAddress) },
		"identity":          func(p *person) reply { return p.at("gate", "thief") },
	} {
		p := v.person()
		if a := enter(p); a.Code != 403 || a.text("code") != "account_frozen" && a.text("error") != "account_frozen" || p.id() != "" {
			t.Errorf("%s: %d %s", way, a.Code, a.Body)
		}
	}
	for _, name := range []string{oldAddress, newAddress} {
		v.person().must(200, "", "POST", "/password/forgot", object{"identifier": name})
		if m := v.mailed("password.frozen"); m.Arg("link") != "" {
			t.Errorf("%+v", m)
		}
	}
	// The old address is a name beside the password from before.
	owner := v.person()
	if a := owner.byPassword(oldAddress, first); a.Code != 200 || owner.id() != ada {
		t.Fatalf("the owner: %d %s", a.Code, a.Body)
	}
	owner.must(200, "", "POST", "/password/change", object{"password": first, "new_password": second})
	for _, id := range owner.must(200, "", "GET", "/account/identities", nil).json["identities"].([]any) {
		owner.must(204, "", "DELETE", "/account/identities/"+id.(object)["id"].(string), nil)
	}
	owner.add(oldAddress)
	owner.must(204, "", "DELETE", "/account/addresses/"+owner.addressID(newAddress), nil)
	late := v.person()
	if a := late.byPassword(oldAddress, second); a.Code != 200 || late.id() != ada {
		t.Fatalf("after the password was changed: %d %s", a.Code, a.Body)
	}
	// Nothing that was refused is left, so the freeze is over.
	if a := late.must(200, "", "GET", "/account", nil); a.json["frozen"] != nil {
		t.Errorf("%s", a.Body)
	}
	if a := v.person().byCode(oldAddress); a.Code != 200 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := v.undo(newAddress); a.Code != 200 { // that the thief's address was removed can be undone too: it freezes
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if p := v.person(); p.byCode(newAddress).Code < 400 || p.byPassword(newAddress, first).Code < 400 || p.id() != "" {
		t.Error("the thief is in")
	}
}

// A password that was reset through the new mailbox is none from before the change.
func TestA14_UndoAfterAReset(t *testing.T) {
	v := newVillage(t, nil)
	v.person().signUp(oldAddress, first)
	thief := v.person()
	thief.byPassword(oldAddress, first)
	ada := thief.id()
	thief.replace(oldAddress, newAddress)
	v.Advance(time.Minute)
	thief.must(200, "", "POST", "/password/forgot", object{"identifier": newAddress})
	_, q := v.link(v.mailed("password.reset"))
	thief.must(200, "", "POST", "/password/reset", object{"token": q.Get("token"), "password": second})
	if a := v.undo(oldAddress); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	for _, name := range []string{oldAddress, newAddress} {
		p := v.person()
		if a := p.byPassword(name, second); a.Code != 403 || p.id() != "" {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	// An administrator ends the freeze.
	boss := v.person()
	boss.at("door", "boss boss@example.com")
	v.roles(boss.id(), "owner")
	boss = v.person()
	boss.at("door", "boss")
	boss.prove("boss")
	if a := boss.must(200, "", "GET", "/admin/users/"+ada, nil); a.json["frozen"] != true {
		t.Errorf("%s", a.Body)
	}
	boss.must(204, "", "POST", "/admin/users/"+ada+"/enable", nil)
	p := v.person()
	if a := p.byPassword(newAddress, second); p.id() != ada {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// A person who says that all of it is theirs ends the freeze.
func TestA14_Thaw(t *testing.T) {
	v := newVillage(t, nil)
	p := v.person()
	p.at("door", "ada "+oldAddress)
	ada := p.id()
	p.prove("ada")
	p.replace(oldAddress, newAddress)
	if a := v.undo(oldAddress); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if a := v.person().byCode(newAddress); a.Code != 403 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := p.at("door", "ada"); a.Code != 200 || p.id() != ada {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	p.must(401, "insufficient_user_authentication", "DELETE", "/account/freeze", nil)
	p.prove("ada")
	p.must(204, "", "DELETE", "/account/freeze", nil)
	p.must(204, "", "DELETE", "/account/freeze", nil)
	one := v.person()
	if one.byCode(newAddress); one.id() != ada {
		t.Error("the new address does not sign in")
	}
	v.gone(oldAddress)
}

// After seven days the link is dead, and the address is free: its next owner gets a new user, and nothing of the first.
func TestA14_UndoTooLate(t *testing.T) {
	v := newVillage(t, nil)
	p := v.person()
	p.byCode(oldAddress)
	ada := p.id()
	p.prove("")
	p.replace(oldAddress, newAddress)
	v.Advance(7*24*time.Hour - time.Minute)
	v.gone(oldAddress)
	v.Advance(time.Hour)
	if a := v.undo(oldAddress); a.Code != 400 || a.text("code") != "expired_code" && a.text("error") != "expired_code" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	next := v.person()
	if a := next.byCode(oldAddress); a.Code != 200 || next.id() == "" || next.id() == ada {
		t.Errorf("%d %s: %q", a.Code, a.Body, next.id())
	}
	if now := v.person(); now.byCode(newAddress).Code != 200 || now.id() != ada {
		t.Error("the new address is not that of the account")
	}
}

// An address that is added and takes the place of the old one, which is then removed, is a change as well: the old one
// is kept from others, still gets notices, and undoes it.
func TestA14_AddAndRemove(t *testing.T) {
	v := newVillage(t, nil)
	thief := v.person()
	thief.byCode(oldAddress)
	thief.prove("")
	thief.add(newAddress)
	thief.must(204, "", "DELETE", "/account/addresses/"+thief.addressID(oldAddress), nil)
	v.gone(oldAddress)
	v.Advance(6 * 24 * time.Hour)
	v.gone(oldAddress)
	v.mails.Take()
	p := v.person()
	p.byCode(newAddress)
	p.prove("")
	p.add("third@new.example")
	var told []string
	for _, m := range v.mails.All() {
		if m.Name == "postern.address-changed" {
			told = append(told, m.To)
		}
	}
	if !slices.Contains(told, oldAddress) {
		t.Errorf("the notice went to %v", told)
	}
}

func TestA14_UndoOfARemoval(t *testing.T) {
	v := newVillage(t, nil)
	thief := v.person()
	thief.byCode(oldAddress)
	ada := thief.id()
	thief.prove("")
	thief.add(newAddress)
	thief.must(204, "", "DELETE", "/account/addresses/"+thief.addressID(oldAddress), nil)
	if a := v.undo(oldAddress); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if thief.id() != "" || thief.byCode(newAddress).Code != 403 || thief.id() != "" {
		t.Error("the thief is in")
	}
	owner := v.person()
	if a := owner.byCode(oldAddress); owner.id() != ada {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// Of several changes one after the other the oldest is undone with all that followed: the mailbox of a later step
// cannot undo the undo, whichever came first.
func TestA14_UndoOfAChain(t *testing.T) {
	for _, thiefFirst := range []bool{false, true} {
		v := newVillage(t, nil)
		thief := v.person()
		thief.byCode(oldAddress)
		ada := thief.id()
		thief.prove("")
		thief.replace(oldAddress, newAddress)
		thief.prove("")
		thief.replace(newAddress, "third@new.example")
		if thiefFirst {
			v.undo(newAddress)
		}
		if a := v.undo(oldAddress); a.Code != 200 {
			t.Fatalf("%d %s", a.Code, a.Body)
		}
		if a := v.undo(newAddress); a.Code != 400 {
			t.Errorf("the thief undid the undo: %d %s", a.Code, a.Body)
		}
		for _, address := range []string{newAddress, "third@new.example"} {
			p := v.person()
			if p.byCode(address); p.id() == ada {
				t.Errorf("%s signs in", address)
			}
		}
		owner := v.person()
		if owner.byCode(oldAddress); owner.id() != ada {
			t.Error("the owner is out")
		}
	}
}

// The link is that of one change of one user: another token, another user, or none opens nothing.
func TestA14_UndoLinks(t *testing.T) {
	v := newVillage(t, nil)
	p := v.person()
	p.byCode(oldAddress)
	p.prove("")
	p.replace(oldAddress, newAddress)
	other := v.person()
	other.byCode("bob@example.com")
	path, q := v.link(v.mailed("postern.address-undo"))
	for _, change := range [][2]string{{"token", q.Get("token")[1:]}, {"token", ""}, {"user", other.id()}, {"user", ""}, {"user", strings.Repeat("x", 300)}, {"user", "no\x00body"}} {
		forged := map[string][]string{"user": q["user"], "token": q["token"]}
		forged[change[0]] = []string{change[1]}
		for _, a := range []reply{other.do("POST", path, object{"user": forged["user"][0], "token": forged["token"][0]})} {
			if a.Code != 400 {
				t.Errorf("%v: %d %s", change, a.Code, a.Body)
			}
		}
	}
	if p.id() == "" || other.id() == "" {
		t.Error("a forged link ended a session")
	}
	// A page of another site cannot press the button.
	b := v.person()
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	b.Header.Set("Origin", "https://evil.example")
	if a := b.do("POST", path, q); a.Code != 403 || p.id() == "" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// Many press the button at once, at two handlers, while the thief changes the address again: nobody gets a fault, the
// account is frozen, and the thief is out.
func TestA14_UndoRaces(t *testing.T) {
	v := newVillage(t, nil)
	two := v.open(v.store)
	thief := v.person()
	thief.byCode(oldAddress)
	ada := thief.id()
	thief.prove("")
	thief.replace(oldAddress, newAddress)
	path, q := v.link(v.mailed("postern.address-undo"))
	thief.prove("")
	thief.must(202, "", "POST", "/account/addresses", object{"address": "third@new.example", "replace": thief.addressID(newAddress)})
	code := v.mailed("postern.new-address").Arg("code")
	people := v.crowd(two)[:20]
	people[7] = thief
	answers := race(people, func(i int, p *person) reply {
		if p == thief {
			return p.do("POST", "/account/addresses/confirm", object{"code": code})
		}
		return p.do("POST", path, q)
	})
	done := 0
	for i, a := range answers {
		switch {
		case i == 7:
			if a.Code >= 500 {
				t.Errorf("the thief: %d %s", a.Code, a.Body)
			}
		case a.Code == http.StatusOK:
			done++
		case a.Code != http.StatusBadRequest:
			t.Errorf("%d: %d %s", i, a.Code, a.Body)
		}
	}
	if done == 0 {
		t.Error("nobody undid it")
	}
	if thief.id() != "" {
		t.Error("the thief's session lives")
	}
	for _, address := range []string{newAddress, "third@new.example"} {
		p := v.person()
		if p.byCode(address); p.id() == ada {
			t.Errorf("%s signs in", address)
		}
	}
	owner := v.person()
	if a := owner.byCode(oldAddress); owner.id() != ada {
		t.Errorf("the owner: %d %s", a.Code, a.Body)
	}
}
