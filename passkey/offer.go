package passkey

import (
	"errors"
	"net/http"

	"github.com/posternauth/postern"
)

// Offer names the step that offers a passkey after a sign-in; empty without Config.Offer.
func (h *handler) Offer() string {
	if h.offers {
		return "offer"
	}
	return ""
}

// showOffer offers a passkey to a person who is signed in, and on the way to the application.
func (h *handler) showOffer(w http.ResponseWriter, r *http.Request) {
	if who, later, ok := h.flow.OfferedTo(w, r); ok {
		h.offer(w, r, who, later, nil)
	}
}

// offer shows the page. After the passkey was added, by this form in another tab or before Back, it says so. A fault is
// shown with the way on.
func (h *handler) offer(w http.ResponseWriter, r *http.Request, who postern.Person, later postern.Form, refused *postern.Error) {
	s, err := h.load(r.Context(), who.ID, "")
	if err == nil && s.head.Ways.Passkeys > 0 {
		later.Submit = "Continue"
		delete(later.Hidden, "later")
		h.showAdded(w, r, later)
		return
	}
	p := h.page("passkey.offer", "Sign in faster next time",
		"A passkey signs you in with your finger, your face or a PIN, in place of a password or a mail.\n\nYou are signed in. Would you like to create one now?")
	var form postern.Form
	if err == nil {
		form, err = h.enrollForm(r, "offer", who, false)
	}
	if err != nil {
		h.endOffer(w, r, later, err)
		return
	}
	p.Forms = []postern.Form{form, later}
	again(&p, refused)
	h.flow.Page(w, r, p)
}

// endOffer is the page after a fault: the sign-in goes on without a passkey.
func (h *handler) endOffer(w http.ResponseWriter, r *http.Request, later postern.Form, err error) {
	var e *postern.Error
	if !errors.As(err, &e) {
		e, _ = unavailable(err).(*postern.Error)
	}
	h.flow.Emit(r.Context(), r, postern.Event{Name: "passkey offer failed", Err: err})
	later.Submit = "Continue"
	p := postern.Page{Name: "passkey.offer", Title: "Sign in faster next time", Text: "You are signed in. A passkey cannot be created now.", Forms: []postern.Form{later}}
	h.flow.Page(w, r, p.WithError(e))
}

// takeOffer adds the passkey.
func (h *handler) takeOffer(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "ceremony", "credential"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	who, later, ok := h.flow.OfferedTo(w, r)
	if !ok {
		return
	}
	next, err := h.add(w, r, who)
	var refused *postern.Error
	switch {
	case err == nil:
		h.showAdded(w, r, *next)
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		h.offer(w, r, who, later, refused)
	default:
		h.endOffer(w, r, later, err)
	}
}
