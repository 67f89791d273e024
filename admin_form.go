package postern

import (
	"net/http"
	"net/url"
	"time"
)

func (a *Auth) consoleForms() formShelf { return formShelf{a, "console"} }

func (actor Actor) formOwner() formOwner {
	return formOwner{actor.Pool + "\x00" + actor.UserID, actor.SessionID, actor.Sec, actor.proved}
}

// A KeptForm is a form of the console that waited while its administrator gave a fresh proof.
type KeptForm struct {
	ID     string
	Path   string // below {base}/admin, to which it was sent
	Values url.Values
}

// KeptForm returns the form that waits for an administrator, for ten minutes, in the browser that sent it, once they
// have given a proof that is newer. It changes nothing. Send it again with its ID as the field "resume", and call
// UseForm then.
func (f *Flow) KeptForm(r *http.Request, actor Actor) (form KeptForm, ok bool, err error) {
	k, ok, err := f.auth.consoleForms().waiting(r, actor.formOwner())
	ok = ok && !actor.proved.Before(time.UnixMilli(k.Created).Add(-attemptSkew))
	return KeptForm{k.ID, k.Deed, k.values()}, ok, err
}

// UseForm uses up the kept form that a request sends, if it does, and reports whether the deed may be done: it is false
// for a form that was used, or is another one.
func (f *Flow) UseForm(r *http.Request, actor Actor) (ok bool, err error) {
	id := r.PostForm.Get("resume")
	if id == "" {
		return true, nil
	}
	return f.auth.consoleForms().use(r, actor.formOwner(), id)
}

// EndForm ends the wait of the kept form that a request sends, if it does: with retry the deed failed by a fault of the
// server, and the form can be sent once more.
func (f *Flow) EndForm(w http.ResponseWriter, r *http.Request, retry bool) {
	if retry {
		f.auth.consoleForms().unuse(r)
		return
	}
	f.auth.consoleForms().forget(w, r)
}
