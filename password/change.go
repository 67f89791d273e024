package password

import (
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// proofAge is how old a step-up may be for a change of the credentials.
const proofAge = 10 * time.Minute

// askChange shows the form that changes the password of the person who is signed in, or sets a first one.
func (h *handler) askChange(w http.ResponseWriter, r *http.Request) {
	p, ok := h.flow.Person(w, r, 0)
	if !ok {
		return
	}
	s, err := h.load(r.Context(), p.ID, "")
	if err != nil {
		h.flow.Fail(w, r, general(err))
		return
	}
	h.flow.Page(w, r, h.changePage(s.has(), p))
}

func (h *handler) changePage(has bool, p postern.Person) postern.Page {
	name, ok := p.Email()
	if !ok {
		name = p.Username
	}
	next := h.newField()
	next.Name = "new_password"
	if !has {
		return postern.Page{Name: "password.set", Title: "Choose a password", Forms: []postern.Form{{
			Action: h.flow.URL("set"), Submit: "Set the password", Username: name, Args: h.newArgs(), Fields: []postern.Field{next},
		}}}
	}
	return postern.Page{
		Name: "password.change", Title: "Change your password", Text: "Everybody else who is signed in to your account will be signed out.",
		Forms: []postern.Form{{Action: h.flow.URL("change"), Submit: "Change the password", Username: name, Args: h.newArgs(), Fields: []postern.Field{
			{Name: "password", Label: "Current password", Type: "password", Autocomplete: "current-password", Required: true}, next,
		}}},
	}
}

// present returns the person who is signed in, and the state of this person that the session was checked against: a
// session that a change has ended in between is refused.
func (h *handler) present(w http.ResponseWriter, r *http.Request, maxAge time.Duration) (p postern.Person, s *state, ok bool) {
	if p, ok = h.flow.Person(w, r, maxAge); !ok {
		return p, nil, false
	}
	s, err := h.load(r.Context(), p.ID, "")
	if err != nil {
		h.flow.Fail(w, r, general(err))
		return p, nil, false
	}
	before := p.ID
	if p, ok = h.flow.Person(w, r, maxAge); !ok {
		return p, nil, false
	}
	if p.ID != before {
		h.flow.Fail(w, r, errChanged)
		return p, nil, false
	}
	return p, s, true
}

var errChanged = &postern.Error{Status: http.StatusConflict, Code: "password_changed", Text: "Something about this account was changed at the same time. Please look at it and try again."}

// change changes the password. It needs the present one, or a step-up where the form has none or the person has a
// second factor. All sessions end except
// this one, which gets a new id.
func (h *handler) change(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "password", "new_password"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	maxAge, asked := proofAge, r.PostForm.Has("password")
	if asked {
		maxAge = 0
	}
	p, s, ok := h.present(w, r, maxAge)
	if ok && s.head.Due() && asked { // the password is no fresh proof of a person who has a second factor
		p, s, ok = h.present(w, r, proofAge)
	}
	if !ok {
		return
	}
	if !s.has() {
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusConflict, Code: "no_password", Text: "This account has no password yet."})
		return
	}
	page, methods := h.changePage(true, p), []string(nil)
	if asked {
		e := &effort{user: p.ID, client: h.flow.Addr(r)}
		proved, err := h.prove(r, e, postern.Identity{}, r.PostForm.Get("password"))
		if err == nil && proved.head.Sec != s.head.Sec {
			err = errChanged
		}
		if err != nil {
			h.again(w, r, page, err)
			return
		}
		s, methods = proved, []string{"pwd"}
	}
	fresh, err := h.freshFor(r, r.PostForm.Get("new_password"), known(p)...)
	if err != nil {
		h.again(w, r, page, general(err))
		return
	}
	moved := s.head.Moved()
	if !h.deed(w, r, s, "password changed", func() error { return h.write(r.Context(), s, fresh, moved) }) {
		return
	}
	h.goOn(w, r, s, moved, methods...)
	h.notice(r.Context(), p.ID, noticeChanged())
	h.done(w, r, "password.changed", "Your password was changed.")
}

// set gives a first password to a person who signs in in other ways. It ends no session.
func (h *handler) set(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "new_password"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, s, ok := h.present(w, r, proofAge)
	if !ok {
		return
	}
	_, mailbox := p.Email()
	switch {
	case s.has():
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusConflict, Code: "has_password", Text: "This account has a password. Change it instead."})
		return
	case !mailbox && p.Username == "":
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusConflict, Code: "no_name", Text: "A password needs a verified address or a username to sign in with. Add one first."})
		return
	}
	fresh, err := h.freshFor(r, r.PostForm.Get("new_password"), known(p)...)
	if err != nil {
		h.again(w, r, h.changePage(false, p), general(err))
		return
	}
	if !h.deed(w, r, s, "password set", func() error { return h.write(r.Context(), s, fresh, s.head.Added()) }) {
		return
	}
	h.notice(r.Context(), p.ID, noticeAdded())
	h.done(w, r, "password.added", "Your password was set.")
}

// remove removes the password of a person who has another way in.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, s, ok := h.present(w, r, proofAge)
	if !ok {
		return
	}
	ways, err := h.flow.WaysIn(r.Context(), p)
	switch {
	case err != nil:
		h.flow.Fail(w, r, general(err))
		return
	case !s.has():
		h.done(w, r, "password.removed", "This account has no password.")
		return
	case len(ways) == 0:
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusConflict, Code: "last_way", Text: "The password is the only way to sign in to this account. Add another way first."})
		return
	}
	moved := s.head.Moved()
	moved.Ways.Passwords, moved.Lock, moved.Change = 0, "", false
	if !h.deed(w, r, s, "password removed", func() error {
		return h.commit(r.Context(), moved.Put(), store.Delete(s.item.Key, s.item.Version))
	}) {
		return
	}
	h.goOn(w, r, s, moved)
	h.notice(r.Context(), p.ID, noticeRemoved())
	h.done(w, r, "password.removed", "Your password was removed.")
}

// deed writes, and reports its success as an event. It answers the request if it fails.
func (h *handler) deed(w http.ResponseWriter, r *http.Request, s *state, event string, write func() error) bool {
	switch err := write(); {
	case errors.Is(err, store.ErrConflict):
		h.flow.Fail(w, r, errChanged)
		return false
	case err != nil:
		h.flow.Fail(w, r, general(err))
		return false
	}
	h.flow.Emit(r.Context(), r, postern.Event{Name: event, UserID: s.user})
	return true
}

// goOn gives this browser a new session in place of that which the deed has ended, and marks it as known again. Without
// it the person is signed out, no more.
func (h *handler) goOn(w http.ResponseWriter, r *http.Request, s *state, moved head.Head, methods ...string) {
	ctx := head.Carry(r.Context(), s.head.Sec, moved.Sec)
	if err := h.flow.Replace(w, r.WithContext(ctx), s.user, methods...); err != nil {
		h.flow.Emit(ctx, r, postern.Event{Name: "session not replaced", UserID: s.user, Err: err})
		return
	}
	if b, err := h.browser(r); err == nil && b.knows(h.mark(s.user), s.head.Sec, h.now()) {
		h.remember(ctx, w, b, s.user, moved.Sec)
	}
}

// done is the page after a deed.
func (h *handler) done(w http.ResponseWriter, r *http.Request, name, text string) {
	h.flow.Page(w, r, postern.Page{Name: name, Title: "Done", Text: text, Links: h.flow.AccountLink(r)})
}
