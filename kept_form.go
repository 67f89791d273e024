package postern

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// A form whose deed needs a fresh proof waits in a sealed cookie of this browser while the person gives the proof. Then
// they see the form filled again, with one button. Opening the page does nothing. The account and the console do so.

const (
	resumeLife = 10 * time.Minute
	maxResume  = 3 << 10 // bytes of the cookie
)

// A keptForm is a form that waits. It belongs to one user, to the session that sent it or one that took its place, and
// to the state of the user's security at that moment.
type keptForm struct {
	ID      string            `json:"id"`
	Deed    string            `json:"d"`
	User    string            `json:"u"`
	Session string            `json:"s"`
	Sec     int64             `json:"c"`
	Created int64             `json:"at"` // Unix milliseconds
	Values  map[string]string `json:"v,omitempty"`
}

// values are the fields of the form.
func (k keptForm) values() url.Values {
	values := url.Values{}
	for name, value := range k.Values {
		values.Set(name, value)
	}
	return values
}

// A formOwner is the person who sends a form, or asks for it.
type formOwner struct {
	user, session string
	sec           int64
	proved        time.Time // when the person of the session proved who they are
}

// A formShelf keeps the forms of one part: of the account or of the console. Each part has a cookie for itself.
type formShelf struct {
	auth *Auth
	part string // "account" or "console"
}

func (s formShelf) cookie() *http.Cookie {
	name := "postern-form-" + s.part + "-" + head.Hash(s.auth.issuer)[:8]
	if s.auth.secure {
		name = "__Host-" + name
	}
	return &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: s.auth.secure, SameSite: http.SameSiteLaxMode}
}

func (s formShelf) purpose() string { return s.part + " form" }

// keep keeps what a form has until the person comes back. A form that is too long is not kept, and the person types it
// again.
func (s formShelf) keep(w http.ResponseWriter, r *http.Request, o formOwner, deed string, values url.Values) error {
	a := s.auth
	k := keptForm{ID: rand.Text(), Deed: deed, User: o.user, Session: o.session, Sec: o.sec, Created: a.sessions.Now().UnixMilli(), Values: map[string]string{}}
	for field := range values {
		k.Values[field] = values.Get(field)
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("postern: encoding a form: %w", err)
	}
	cookie := s.cookie()
	if cookie.Value, err = seal.Seal(r.Context(), a.sessions.Secrets(), s.purpose(), plain, a.issuer, cookie.Name); err != nil {
		return unavailable(err)
	}
	if cookie.MaxAge = int(resumeLife / time.Second); len(cookie.Value) > maxResume {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(w, cookie)
	return nil
}

// find returns the form that waits for a person.
func (s formShelf) find(r *http.Request, o formOwner) (k keptForm, ok bool, err error) {
	a := s.auth
	for _, cookie := range r.CookiesNamed(s.cookie().Name) {
		plain, err := seal.Open(r.Context(), a.sessions.Secrets(), s.purpose(), cookie.Value, a.issuer, cookie.Name)
		if errors.Is(err, seal.ErrOpen) {
			continue
		}
		if err != nil {
			return k, false, unavailable(err)
		}
		k = keptForm{}
		if json.Unmarshal(plain, &k) != nil {
			continue
		}
		begun := time.UnixMilli(k.Created)
		age := a.sessions.Now().Sub(begun)
		same := o.session == k.Session || !o.proved.Before(begun.Add(-attemptSkew))
		if k.User == o.user && k.Sec == o.sec && same && age >= -attemptSkew && age < resumeLife {
			return k, true, nil
		}
	}
	return keptForm{}, false, nil
}

// waiting is find for a form that was not used.
func (s formShelf) waiting(r *http.Request, o formOwner) (k keptForm, ok bool, err error) {
	if k, ok, err = s.find(r, o); err != nil || !ok {
		return k, false, err
	}
	used, err := s.auth.store.Get(r.Context(), s.key(k.ID))
	if err != nil {
		return k, false, unavailable(err)
	}
	return k, len(used) == 0, nil
}

func (s formShelf) key(id string) store.Key {
	return store.Key{Part: "form:" + head.Hash(s.auth.issuer, id), ID: "used"}
}

// use marks a form that waited as used, and reports whether it was the first time.
func (s formShelf) use(r *http.Request, o formOwner, id string) (first bool, err error) {
	k, ok, err := s.find(r, o)
	if err != nil {
		return false, err
	}
	if !ok || k.ID != id {
		return false, nil
	}
	put := store.Put(store.Item{Key: s.key(id), Value: []byte(`{}`), Expires: s.auth.sessions.Now().Add(resumeLife + 2*attemptSkew)})
	switch err := s.auth.store.Write(r.Context(), put); {
	case errors.Is(err, store.ErrConflict):
		return false, nil
	case err != nil:
		return false, unavailable(err)
	}
	return true, nil
}

// unuse lets the form of a request be sent again whose deed failed by a fault of the server. Best effort: without it
// the person types it again.
func (s formShelf) unuse(r *http.Request) {
	id := r.PostForm.Get("resume")
	if id == "" {
		return
	}
	items, err := s.auth.store.Get(r.Context(), s.key(id))
	if err == nil && len(items) == 1 {
		_ = s.auth.store.Write(r.Context(), store.Delete(items[0].Key, items[0].Version))
	}
}

// forget removes the form of a request that waited, after its deed.
func (s formShelf) forget(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("resume") != "" {
		cookie := s.cookie()
		cookie.MaxAge = -1
		http.SetCookie(w, cookie)
	}
}
