package password_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// confirm opens the link of the newest mail that asks to confirm an address, and confirms it.
func (f *office) confirm(to string) (status int) {
	f.t.Helper()
	all := f.mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name != "postern.confirm-address" || all[i].To != to {
			continue
		}
		link, err := url.Parse(all[i].Arg("link"))
		if err != nil {
			f.t.Fatal(err)
		}
		b := f.browser()
		page := b.Do(b.Request("GET", link.String(), nil))
		if page.Code != http.StatusOK {
			return page.Code
		}
		return b.post("/account/confirm", "token", link.Query().Get("token")).Code
	}
	f.t.Fatalf("no mail to %s", to)
	return 0
}

func created(t testing.TB, body string) (u struct {
	ID        string
	Roles     []string
	Addresses []postern.Address
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestAdmin_Create: an administrator makes a user with an address. Before the mailbox confirms it, it finds nobody and
// resets nothing. Then the person chooses a password by "forgot".
func TestAdmin_Create(t *testing.T) {
	f := newOffice(t)
	boss, clerk := f.admin("boss", "owner"), f.admin("clerk", "clerk")
	const body = `{"address":"New@Example.com","name":"Ada","roles":["member"]}`
	clerk.want(http.StatusForbidden, "beyond_rights", "POST", "users", body)
	boss.want(http.StatusForbidden, "beyond_rights", "POST", "users", `{"address":"new@example.com","roles":["editor"]}`)
	boss.want(http.StatusBadRequest, "unknown_role", "POST", "users", `{"address":"new@example.com","roles":["x"]}`)
	boss.want(http.StatusBadRequest, "invalid_field", "POST", "users", `{"name":"x"}`)
	boss.want(http.StatusConflict, "address_taken", "POST", "users", `{"address":"clerk@example.com"}`)
	for _, extra := range []string{`"verified":true`, `"password":"x"`, `"id":"x"`, `"addresses":[]`, `"scopes":[]`} {
		boss.want(http.StatusBadRequest, "unknown_member", "POST", "users", `{"address":"new@example.com",`+extra+`}`)
	}
	w := boss.want(http.StatusCreated, "", "POST", "users", body)
	u := created(t, w.Body.String())
	if len(u.Addresses) != 1 || u.Addresses[0].Verified || u.Addresses[0].Value != "new@example.com" || u.Roles[0] != "member" {
		t.Fatalf("%s", w.Body)
	}
	if again := created(t, boss.want(http.StatusCreated, "", "POST", "users", body).Body.String()); again.ID != u.ID {
		t.Errorf("a second user: %s", again.ID)
	}
	address := postern.Identity{Issuer: postern.MailIssuer, Subject: "new@example.com"}
	if _, err := f.roled.Find(t.Context(), address); err != postern.ErrNoUser {
		t.Errorf("found before proof: %v", err)
	}
	f.browser().post("/password/forgot", "identifier", "new@example.com")
	if all := f.mails.All(); all[len(all)-1].Name != "password.no-account" {
		t.Errorf("forgot before proof: %s", all[len(all)-1].Name)
	}
	if got := f.confirm("new@example.com"); got != http.StatusOK {
		t.Fatalf("confirm: %d", got)
	}
	if got := f.confirm("new@example.com"); got != http.StatusBadRequest {
		t.Errorf("the link works twice: %d", got)
	}
	if id, err := f.roled.Find(t.Context(), address); err != nil || id != u.ID {
		t.Errorf("%q %v", id, err)
	}
	b := f.browser()
	b.post("/password/forgot", "identifier", "new@example.com")
	all := f.mails.All()
	link, err := url.Parse(all[len(all)-1].Arg("link"))
	if err != nil || all[len(all)-1].Name != "password.first" {
		t.Fatalf("%+v %v", all[len(all)-1], err)
	}
	want(t, b.post("/password/reset", "token", link.Query().Get("token"), "password", good), http.StatusSeeOther, "")
	want(t, b.signIn("new@example.com", good), http.StatusSeeOther, "")
	if s := b.session(); s == nil || s.Subject != u.ID {
		t.Errorf("%+v", s)
	}
}

// TestAdmin_CreateTakenBack: the link ends with the rights of the administrator, with the user, with the address, and
// after seven days.
func TestAdmin_CreateTakenBack(t *testing.T) {
	for name, event := range map[string]func(f *office, boss, id string) error{
		"rights": func(f *office, boss, _ string) error {
			return f.roled.SetRoles(f.t.Context(), boss, []string{"member"}, users.Extra{})
		},
		"sec":     func(f *office, boss, _ string) error { return f.auth.EndUser(f.t.Context(), boss) },
		"user":    func(f *office, _, id string) error { return f.roled.Delete(f.t.Context(), id, users.Extra{}) },
		"user's":  func(f *office, _, id string) error { return f.auth.EndUser(f.t.Context(), id) },
		"seven d": func(f *office, _, _ string) error { f.Advance(7*24*time.Hour + time.Second); return nil },
	} {
		f := newOffice(t)
		boss := f.admin("boss", "owner")
		u := created(t, boss.want(http.StatusCreated, "", "POST", "users", `{"address":"new@example.com"}`).Body.String())
		if err := event(f, boss.id, u.ID); err != nil {
			t.Fatal(err)
		}
		if got := f.confirm("new@example.com"); got != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got)
		}
	}
	// Somebody else was faster with the address.
	f := newOffice(t)
	f.admin("boss", "owner").want(http.StatusCreated, "", "POST", "users", `{"address":"new@example.com"}`)
	f.browser().signUp("new@example.com", good)
	if got := f.confirm("new@example.com"); got != http.StatusConflict {
		t.Errorf("taken: %d", got)
	}
}

// TestAdmin_TwoDeedsTwoAdministrators: one administrator does not both give a user an address and remove a way in of
// them within 24 hours.
func TestAdmin_TwoDeedsTwoAdministrators(t *testing.T) {
	f := newOffice(t)
	boss, other := f.admin("boss", "owner"), f.admin("other", "owner")
	id, _ := f.user("ada", "member")
	if err := f.roled.Link(t.Context(), id, postern.Identity{Issuer: "https://door.example", Subject: "ada", Provider: "door"}); err != nil {
		t.Fatal(err)
	}
	f.mails.Take()
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/addresses", `{"address":"second@example.com"}`)
	notified := 0
	for _, m := range f.mails.All() {
		if m.To == "ada@example.com" && m.Name == "postern.address-offered" && !strings.Contains(m.Text, "second") {
			notified++
		}
	}
	if notified != 1 {
		t.Errorf("%d notices", notified)
	}
	boss.want(http.StatusConflict, "second_administrator", "DELETE", "users/"+id+"/password", "")
	f.Advance(23 * time.Hour)
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/addresses", `{"address":"second@example.com"}`) // again counts
	f.Advance(2 * time.Hour)
	boss.want(http.StatusConflict, "second_administrator", "DELETE", "users/"+id+"/password", "")
	other.want(http.StatusNoContent, "", "DELETE", "users/"+id+"/password", "")
	other.want(http.StatusConflict, "second_administrator", "POST", "users/"+id+"/addresses", `{"address":"third@example.com"}`)
	f.Advance(25 * time.Hour)
	other.want(http.StatusNoContent, "", "POST", "users/"+id+"/addresses", `{"address":"third@example.com"}`)
	boss.want(http.StatusConflict, "address_taken", "POST", "users/"+id+"/addresses", `{"address":"other@example.com"}`)
	boss.want(http.StatusConflict, "address_taken", "POST", "users/"+id+"/addresses", `{"address":"ada@example.com"}`)
	if got := f.confirm("third@example.com"); got != http.StatusOK {
		t.Errorf("confirm: %d", got)
	}
}

type batchRow struct {
	ID, Outcome, Reason string
	UserID              string `json:"user_id"`
}

func (c *client) batch(body string) (rows []batchRow) {
	c.f.t.Helper()
	var out struct{ Users []batchRow }
	w := c.want(http.StatusOK, "", "POST", "users/import", body)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		c.f.t.Fatal(err)
	}
	return out.Users
}

// TestAdmin_Import: a batch has a report for each user, brings passwords as hashes, can be repeated, and gives no right
// that the administrator does not have.
func TestAdmin_Import(t *testing.T) {
	f := newOffice(t)
	boss, clerk := f.admin("boss", "owner"), f.admin("clerk", "clerk")
	encoded, err := hasher().Hash(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(encoded)
	body := func(dry bool) string {
		return fmt.Sprintf(`{"from":"old","dry_run":%t,"users":[
			{"id":"1","name":"Ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}],"roles":["member"],"password_hash":%s},
			{"id":"2","addresses":[{"type":"email","value":"eve@example.com","verified":true}],"roles":["editor"]},
			{"id":"3","addresses":[{"type":"email","value":"boss@example.com","verified":true}]},
			{"id":"4","addresses":[{"type":"email","value":"bob@example.com","verified":true}],"password_hash":"plain"},
			{"id":"","addresses":[]}]}`, dry, quoted)
	}
	clerk.want(http.StatusForbidden, "insufficient_scope", "POST", "users/import", body(false))
	boss.want(http.StatusBadRequest, "missing_field", "POST", "users/import", `{"users":[]}`)
	boss.want(http.StatusBadRequest, "invalid_request", "POST", "users/import", `{"from":"old","users":[{"id":"1"},{"id":"1"}]}`)
	for _, bad := range []string{`{"id":"1","scopes":["x"]}`, `{"ID":"1"}`, `{"id":"1","Roles":["owner"]}`, `{"id":"1","id":"2"}`, `{"id":"1","addresses":[{"Verified":true}]}`} {
		boss.want(http.StatusBadRequest, "invalid_request", "POST", "users/import", `{"from":"old","users":[`+bad+`]}`)
	}
	for _, dry := range []bool{true, false, false} {
		rows := map[string]batchRow{}
		for _, r := range boss.batch(body(dry)) {
			rows[r.ID] = r
		}
		for id, wanted := range map[string]string{"2": "refused", "3": "refused", "4": "refused", "": "refused"} {
			if rows[id].Outcome != wanted || rows[id].Reason == "" {
				t.Errorf("%q: %+v", id, rows[id])
			}
		}
		if _, err := f.roled.User(t.Context(), rows["1"].UserID); dry != (err != nil) || len(rows) != 5 {
			t.Errorf("dry run %t: %v %+v", dry, err, rows)
		}
	}
	want(t, f.browser().signIn("ada@example.com", good), http.StatusSeeOther, "")
	id := f.world.user("ada@example.com")
	for _, name := range []string{"eve@example.com", "bob@example.com"} {
		if _, err := f.roled.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: name}); err != postern.ErrNoUser {
			t.Errorf("%s: %v", name, err)
		}
	}
	// R1: a user who has more than the administrator by now is not changed by a repeated import.
	rows := boss.batch(`{"from":"old","users":[{"id":"9","addresses":[{"type":"email","value":"nine@example.com","verified":true}],"roles":["member"]}]}`)
	if err := f.roled.SetRoles(t.Context(), rows[0].UserID, []string{"editor"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	rows = boss.batch(`{"from":"old","users":[{"id":"9","addresses":[{"type":"email","value":"mine@example.com","verified":true}],"roles":["member"]}]}`)
	if rows[0].Outcome == "updated" {
		t.Errorf("%+v", rows)
	}
	if err := f.roled.Disable(t.Context(), id, "x", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if got := boss.batch(body(false)); got[len(got)-1].Outcome == "updated" {
		t.Errorf("%+v", got)
	}
}
