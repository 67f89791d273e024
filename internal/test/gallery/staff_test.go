package gallery

import (
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// chief signs up somebody who gets the role of an administrator.
func (p *person) chief(address string) *person {
	p.Helper()
	o := p.elsewhere().signUp(address)
	o.id = o.api(http.MethodGet, "/account", nil)["id"].(string)
	if err := p.v.dir.SetRoles(p.v.Context(), o.id, []string{"owner"}, users.Extra{}); err != nil {
		p.Fatal(err)
	}
	return o
}

// owner returns somebody who has a session of an administrator, and none of a user.
func (p *person) owner(address string) *person {
	p.Helper()
	id := p.chief(address).id
	who, err := p.v.dir.Get(p.v.Context(), id)
	if err != nil {
		p.Fatal(err)
	}
	tokens, err := p.v.staff.Create(p.v.Context(), session.Grant[profile]{Subject: id, Roles: who.Roles, Scopes: who.Scopes, Device: chrome,
		Authentication: session.Authentication{Time: p.v.Now(), Methods: []string{"pwd", "otp", "mfa"}}})
	if err != nil {
		p.Fatal(err)
	}
	w, staff := httptest.NewRecorder(), p.elsewhere()
	p.v.staff.SetCookies(w, tokens)
	for _, k := range w.Result().Cookies() {
		staff.Cookies[k.Name] = k.Value
	}
	return staff
}
