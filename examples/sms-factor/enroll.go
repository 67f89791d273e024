package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// enrollPlace is the place of the code by which a person proves a new number. Codes of sign-ins are elsewhere, so that
// one never passes for the other.
const enrollPlace = "enroll"

// person returns who may set up a number: a person who has none, and who has just proved who they are, or whose
// sign-in waits for a first factor.
func (h *factor) person(w http.ResponseWriter, r *http.Request) (p postern.Person, item store.Item, ok bool) {
	if p, ok = h.flow.Person(w, r, proofAge); !ok {
		return p, item, false
	}
	row, item, err := h.phone(r.Context(), p.ID)
	if err == nil && row.Sealed != nil {
		err = errHas
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return p, item, false
	}
	return p, item, true
}

// begin asks for the number.
func (h *factor) begin(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := h.person(w, r); ok {
		h.flow.Page(w, r, h.numberPage(r))
	}
}

func (h *factor) numberPage(r *http.Request) postern.Page {
	form := postern.Form{Action: h.flow.URL("enroll"), Submit: "Send a code", Fields: []postern.Field{
		{Name: "number", Label: "Phone number", Type: "tel", Autocomplete: "tel", Hint: "Such as +41 79 123 45 67", MaxLength: 40, Required: true},
	}}
	if state := r.Form.Get("state"); state != "" { // of a sign-in that waits until the person has a factor
		form.Hidden = map[string]string{"state": state}
	}
	return postern.Page{Name: "sms.enroll", Title: "Get codes by SMS", Forms: []postern.Form{form},
		Text: "We send a code to your phone when you sign in. An authenticator app or a passkey is safer."}
}

// enroll takes the number, and then the code that was sent to it. Only a number that is proved counts.
func (h *factor) enroll(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "number", "code", "again"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, item, ok := h.person(w, r)
	if !ok {
		return
	}
	if !r.PostForm.Has("code") {
		h.prove(w, r, p.ID)
		return
	}
	ctx := r.Context()
	if err := h.flow.LimitUser(ctx, "sms guesses", p.ID, 15*time.Minute, 5); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	number, used, err := h.compare(ctx, p.ID, enrollPlace, r.PostForm.Get("code"))
	switch {
	case errors.Is(err, errCode) && number != "":
		h.again(w, r, h.codePage("sms.confirm", "enroll", r.Form.Get("state"), number), errCode)
		return
	case errors.Is(err, errCode): // the code is over
		h.again(w, r, h.numberPage(r), errCode)
		return
	case err != nil:
		h.flow.Fail(w, r, err)
		return
	}
	sealed, err := h.seal(p.ID, number)
	if err == nil {
		item.Value, err = json.Marshal(phoneRow{sealed, h.flow.Sessions().Now().UTC()})
	}
	var next *postern.Form
	if err == nil {
		next, err = h.flow.Enroll(w, r, postern.Enrolment{
			Count: 1, Changes: []store.Change{store.Put(item), used}, Methods: h.Factor().Methods, Event: "sms added", Notice: postern.Notice{Name: "sms.added", Subject: "A phone number was added to your account at {app}",
				Text: "A phone number was added to your account at {app}. A code is sent to it when you sign in."},
		})
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	page := postern.Page{Name: "sms.added", Title: "Your number is set up", Text: "From now on we send a code to it when you sign in.", Links: h.flow.Backups(r)}
	if next != nil {
		page.Forms = []postern.Form{*next}
	}
	h.flow.Page(w, r, page)
}

// prove sends a code to a new number, or another code to the one before.
func (h *factor) prove(w http.ResponseWriter, r *http.Request, userID string) {
	number, ok := h.read(r.PostForm.Get("number"))
	if r.PostForm.Get("again") != "" {
		row, _, err := h.code(r.Context(), userID, enrollPlace)
		if err == nil && row.Sealed != nil {
			number, err = h.open(userID, row.Sealed)
		}
		if err != nil {
			h.flow.Fail(w, r, err)
			return
		}
		ok = number != ""
	}
	if !ok {
		h.again(w, r, h.numberPage(r), errNumber)
		return
	}
	if err := h.send(r.Context(), userID, enrollPlace, number); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, h.codePage("sms.confirm", "enroll", r.Form.Get("state"), number))
}

// read returns a typed number as E.164 writes it.
func (h *factor) read(typed string) (string, bool) {
	number := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "\u00a0", "").Replace(typed)
	digits, plus := strings.CutPrefix(number, "+")
	if !plus || len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return number, slices.ContainsFunc(h.Prefixes, func(code string) bool { return strings.HasPrefix(number, code) })
}

// masked shows a number to a person who knows it.
func masked(number string) string {
	return strings.Repeat("•", max(0, len(number)-2)) + number[max(0, len(number)-2):]
}

// status shows whether the person has a number.
func (h *factor) status(w http.ResponseWriter, r *http.Request) {
	p, ok := h.flow.Person(w, r, 0)
	if !ok {
		return
	}
	number, err := h.number(r.Context(), p.ID)
	page := postern.Page{Name: "sms.status", Title: "Codes by SMS"}
	switch {
	case errors.Is(err, errNone):
		page.Text = "This account has no phone number."
		page.Ways = []postern.Link{{Name: "enroll", Text: "Set one up", URL: h.flow.URL("enroll")}}
	case err != nil:
		h.flow.Fail(w, r, err)
		return
	default:
		page.Text, page.Args = "We send a code to "+masked(number)+" when you sign in.", map[string]any{"number": masked(number)}
		page.Forms = []postern.Form{{Name: "remove", Action: h.flow.URL("remove"), Submit: "Remove the number"}}
	}
	h.flow.Page(w, r, page)
}

// remove takes the number from the person. Everybody else who is signed in to the account is signed out.
func (h *factor) remove(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p, ok := h.flow.Person(w, r, proofAge)
	if !ok {
		return
	}
	row, item, err := h.phone(r.Context(), p.ID)
	if err == nil && row.Sealed == nil {
		err = errNone
	}
	if err == nil {
		_, err = h.flow.Enroll(w, r, postern.Enrolment{
			Count: -1, Changes: []store.Change{store.Delete(item.Key, item.Version)}, Event: "sms removed", Notice: postern.Notice{Name: "sms.removed", Subject: "The phone number was removed from your account at {app}",
				Text: "The phone number was removed from your account at {app}. No code is sent any more."},
		})
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, postern.Page{Name: "sms.removed", Title: "Done", Text: "The number was removed. Everybody else who was signed in to your account was signed out."})
}
