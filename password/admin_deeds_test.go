package password_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// An administrator gives a user an address while the user has few rights, and opens the link when the user has more
// rights than the administrator.
func TestR1_AnOfferedAddressEndsWithMoreRights(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, _ := f.user("ada", "member")
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/addresses", `{"address":"mine@example.com"}`)
	if err := f.roled.SetRoles(t.Context(), id, []string{"owner", "editor"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if got := f.confirm("mine@example.com"); got != http.StatusBadRequest {
		t.Errorf("the link still works: %d", got)
	}
	address := postern.Identity{Issuer: postern.MailIssuer, Subject: "mine@example.com"}
	if _, err := f.roled.Find(t.Context(), address); err != postern.ErrNoUser {
		t.Errorf("the address finds somebody: %v", err)
	}
}

// A batch changes no way to sign in of a user who was imported before, and takes no role without the scope for roles:
// it would go round the notices, and the rule of two administrators.
func TestR1_ABatchGivesNobodysAccountAway(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	const first = `{"from":"old","users":[{"id":"1","name":"Ada","username":"ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}],
		"identities":[{"issuer":"https://door.example","subject":"ada","provider":"door"}],"roles":["member"]}]}`
	id := boss.batch(first)[0].UserID
	for what, body := range map[string]string{
		"an address": `{"id":"1","username":"ada","addresses":[{"type":"email","value":"ada@example.com","verified":true},{"type":"email","value":"mine@example.com","verified":true}],
			"identities":[{"issuer":"https://door.example","subject":"ada","provider":"door"}],"roles":["member"]}`,
		"another address": `{"id":"1","username":"ada","addresses":[{"type":"email","value":"mine@example.com","verified":true}],
			"identities":[{"issuer":"https://door.example","subject":"ada","provider":"door"}],"roles":["member"]}`,
		"another identity": `{"id":"1","username":"ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}],
			"identities":[{"issuer":"https://door.example","subject":"mine","provider":"door"}],"roles":["member"]}`,
		"another name": `{"id":"1","username":"eve","addresses":[{"type":"email","value":"ada@example.com","verified":true}],
			"identities":[{"issuer":"https://door.example","subject":"ada","provider":"door"}],"roles":["member"]}`,
	} {
		if got := boss.batch(`{"from":"old","users":[` + body + `]}`); got[0].Outcome != "refused" || got[0].Reason == "" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	clerk := f.admin("keeper", "clerk", "credentials")
	const less = `{"from":"old","users":[{"id":"1","name":"Ada","username":"ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}],
		"identities":[{"issuer":"https://door.example","subject":"ada","provider":"door"}]}]}`
	if got := clerk.batch(less); got[0].Outcome != "refused" {
		t.Errorf("a role was taken without the scope for roles: %+v", got)
	}
	u, err := f.roled.User(t.Context(), id)
	if err != nil || len(u.Addresses) != 1 || u.Addresses[0].Value != "ada@example.com" || u.Username != "ada" || !slices.Equal(u.Roles, []string{"member"}) {
		t.Errorf("%+v %v", u, err)
	}
	// What is no way to sign in can change, and the roles of who may.
	if got := boss.batch(less); got[0].Outcome != "updated" {
		t.Errorf("%+v", got)
	}
}

// To create a user again mails the link again, but not into an account that somebody uses by now.
func TestR1_CreateAgainOffersNoAddressToOneInUse(t *testing.T) {
	f := newOffice(t)
	boss, clerk := f.admin("boss", "owner"), f.admin("clerk", "clerk")
	u := created(t, clerk.want(http.StatusCreated, "", "POST", "users", `{"address":"mine@example.com"}`).Body.String())
	clerk.want(http.StatusCreated, "", "POST", "users", `{"address":"mine@example.com"}`)
	boss.want(http.StatusNoContent, "", "POST", "users/"+u.ID+"/addresses", `{"address":"ada@example.com"}`)
	if got := f.confirm("ada@example.com"); got != http.StatusOK {
		t.Fatal(got)
	}
	clerk.want(http.StatusConflict, "address_taken", "POST", "users", `{"address":"mine@example.com"}`)
	if got := f.confirm("mine@example.com"); got != http.StatusBadRequest {
		t.Errorf("the first link still works: %d", got)
	}
}
