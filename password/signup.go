package password

import (
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/store"
)

// newPasswords limits how often a client address has new passwords hashed.
const (
	newPasswordsEvery = time.Hour
	newPasswords      = 60
)

// EnrollForm is the form at the end of a sign-up.
func (h *handler) EnrollForm(state, identifier string) *postern.Form {
	return &postern.Form{
		Name: "password", Title: "With a password", Action: h.flow.URL("sign-up"), Hidden: map[string]string{"state": state}, Submit: "Create my account", Username: identifier,
		Args: h.newArgs(), Fields: []postern.Field{h.newField()},
	}
}

// newField asks for a new password.
func (h *handler) newField() postern.Field {
	return postern.Field{Name: "password", Label: "New password", Type: "password", Autocomplete: "new-password", Required: true,
		Hint: "At least {min} characters. A few words in a row are easy to remember."}
}

// newArgs are the values in the texts of a form with newField.
func (h *handler) newArgs() map[string]any { return map[string]any{"min": h.policy.MinLength()} }

// signUp sets the password of a person who has verified an address, or chosen a username, in this browser.
func (h *handler) signUp(w http.ResponseWriter, r *http.Request) {
	who, err := h.flow.Applying(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	name := who.Address + who.Username
	p := postern.Page{Name: "password.sign-up", Title: "Choose a password", Args: map[string]any{"identifier": name},
		Text: "You are creating an account for {identifier}.", Forms: []postern.Form{*h.EnrollForm(r.Form.Get("state"), name)}}
	if err := h.flow.Fields(r, "state", "password"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	about := []string{name}
	for _, v := range who.Fields {
		about = append(about, v)
	}
	fresh, err := h.freshFor(r, r.PostForm.Get("password"), about...)
	if err != nil {
		h.again(w, r, p, general(err))
		return
	}
	b, err := h.browser(r)
	if err != nil {
		h.flow.Fail(w, r, general(err))
		return
	}
	marked := ""
	h.flow.SignUp(w, r, postern.Credential{
		Passwords: 1, Methods: []string{"pwd"},
		Changes: func(userID string) []store.Change {
			if marked != userID { // a new user has a new head: Sec is 0
				marked = userID
				h.remember(r.Context(), w, b, userID, 0)
			}
			put, err := fresh.put(store.Item{Key: h.key(userID, rowID)})
			if err != nil {
				return nil
			}
			return []store.Change{put}
		},
	})
}

// freshFor is fresh for the client of a request, with a limit.
func (h *handler) freshFor(r *http.Request, password string, about ...string) (row, error) {
	if err := h.policy.Check(password, about...); err != nil {
		return row{}, err
	}
	if err := h.flow.LimitAddr(r, "password new", newPasswordsEvery, newPasswords); err != nil {
		return row{}, err
	}
	ctx := r.Context()
	if networks := clientip.Networks(h.flow.Addr(r)); len(networks) > 0 {
		ctx = hash.WithShare(ctx, networks[len(networks)-1].Name)
	}
	return h.fresh(ctx, password, about...)
}
