package passkey

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// An attempt is what the browser keeps, sealed: the query of authorize, to begin again with in another way.
type attempt struct {
	Query string `json:"q,omitempty"`
}

const maxQuery = 448 // bytes, for a cookie

// ask shows the page of a sign-in, or of a person who is signed in and must prove who they are.
func (h *handler) ask(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "login_hint"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state, a, err := h.begin(w, r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	user, stepUp := h.flow.Proving(r)
	h.showSignIn(w, r, state, user, stepUp, a, nil, nil)
}

func (h *handler) begin(w http.ResponseWriter, r *http.Request) (state string, a attempt, err error) {
	a.Query = r.URL.RawQuery
	if r.Method == http.MethodPost {
		a.Query = r.Form.Encode()
	}
	if len(a.Query) > maxQuery {
		a = attempt{}
	}
	state, err = h.flow.Start(w, r, a)
	return state, a, err
}

// Autofill lets the browser offer passkeys in a field of another page.
func (h *handler) Autofill(w http.ResponseWriter, r *http.Request) (*postern.Form, string, error) {
	state, _, err := h.begin(w, r)
	if err != nil {
		return nil, "", err
	}
	c := h.newCeremony()
	sealed, err := h.seal(r.Context(), c, forSignIn, state)
	if err != nil {
		return nil, "", err
	}
	form := h.form("callback", state, sealed, "Sign in with a passkey")
	form.Name, form.Unseen = "passkey", true
	form.Data = formData{PublicKey: h.party.request(c, required, nil), Mediation: conditional}.encode()
	return &form, h.scriptPath(), nil
}

// showSignIn shows the page with a new challenge. refused is why it comes again.
func (h *handler) showSignIn(w http.ResponseWriter, r *http.Request, state, user string, stepUp bool, a attempt, refused *postern.Error, gone []byte) {
	c := h.newCeremony()
	var rows []row
	sealed, err := h.seal(r.Context(), c, forSignIn, state)
	if err == nil && stepUp {
		rows, err = h.all(r.Context(), user)
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	data := formData{PublicKey: h.party.request(c, required, rows)}
	p := h.page("passkey.sign-in", "Sign in to {app}", "Use the passkey on this device, on your phone, or on a security key.")
	p.Args["app"] = h.flow.AppName()
	form := h.form("callback", state, sealed, "Sign in with a passkey")
	if stepUp {
		p.Name, p.Title, form.Submit = "passkey.confirm", "Confirm that it is you", "Continue with a passkey"
	} else {
		data.Mediation = conditional
		form.Fields = []postern.Field{{Name: "passkey", Label: "Passkey", Autocomplete: "username webauthn",
			Hint: "Choose your passkey from the list of this field, or press the button."}}
		if to := h.flow.SignUpURL(a.Query); to != "" {
			p.Links = append(p.Links, postern.Link{Name: "sign-up", Text: "Create an account", URL: to})
		}
		p.Links = append(p.Links, h.flow.OtherWays(a.Query)...)
	}
	form.Data = data.encode()
	p.Forms = []postern.Form{form}
	if gone != nil {
		p.Data = signals{Unknown: &unknownCredential{h.party.id, encoded(gone)}}.encode()
	}
	again(&p, refused)
	h.flow.Page(w, r, p)
}

// page is a page with the script.
func (h *handler) page(name, title, text string) postern.Page {
	return postern.Page{Name: name, Title: title, Text: text, Script: h.scriptPath(), ScriptTexts: scriptTexts(), Args: map[string]any{}}
}

// scriptTexts are what the script says where a browser makes or shows no passkey, by the names of its errors (section
// 5.1.3 and 5.1.4).
func scriptTexts() map[string]string {
	return map[string]string{
		"failed":            "No passkey was used. Please try again, or use another way.",
		"unsupported":       "This browser does not know passkeys, or an older kind of them. Please use another browser or another way.",
		"InvalidStateError": "This device has a passkey for this account already.",
		"SecurityError":     "Passkeys do not work at this address. Please ask the people who run this site.",
		"NotSupportedError": "This device cannot make a passkey of the kind that is needed here.",
		"ConstraintError":   "This device cannot keep a passkey, or cannot verify you. Set up a PIN or a fingerprint, or use another device.",
	}
}

// form is a form that sends a credential to a step.
func (h *handler) form(step, state, ceremony, submit string) postern.Form {
	hidden := map[string]string{"ceremony": ceremony, "credential": ""}
	if state != "" {
		hidden["state"] = state
	}
	return postern.Form{Action: h.flow.URL(step), Hidden: hidden, Submit: submit}
}

// again marks a page as shown again after a refusal.
func again(p *postern.Page, refused *postern.Error) {
	if refused != nil {
		*p = p.WithError(refused)
	}
}

// asRefusal returns the refusal that a form can be shown again with; nil for every other error.
func asRefusal(err error) *postern.Error {
	var e *postern.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return e
	}
	return nil
}

// signIn checks a passkey, and ends the sign-in or the step-up of its attempt.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request) {
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if err := h.flow.Fields(r, "state", "ceremony", "credential", "passkey"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	user, stepUp := h.flow.Proving(r)
	state := r.PostForm.Get("state")
	c, err := h.open(r, forSignIn, state)
	var s shown
	if err == nil {
		s, err = read(r.PostForm.Get("credential"))
	}
	var proof *proof
	if err == nil {
		proof, err = h.prove(r.Context(), c, s, user, true)
	}
	if err != nil {
		refused := asRefusal(err)
		if refused == nil {
			h.flow.Fail(w, r, err)
			return
		}
		h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", UserID: user, Reason: refused.Code, Err: refused.Err})
		var gone []byte
		if refused.Code == errUnknown.Code {
			gone = s.id
		}
		h.showSignIn(w, r, state, user, stepUp, a, refused, gone)
		return
	}
	if err := h.flow.Resume(w, r, nil); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.used(r, proof)
	r = r.WithContext(head.Shown(head.Expect(r.Context(), proof.head.Sec), h.hash(proof.row.ID)))
	h.flow.DoneUser(w, r, proof.user, append(proof.row.methods(true), postern.MethodMultiFactor)...)
}

// A proof is a passkey that was checked.
type proof struct {
	*state
	next   row // as it is to be written
	cloned bool
}

// prove finds the owner of a credential and checks it. user is who must be the owner; empty where anybody may be.
func (h *handler) prove(ctx context.Context, c ceremony, s shown, user string, verify bool) (*proof, error) {
	owner, err := h.owner(ctx, s.id)
	switch {
	case err != nil:
		return nil, err
	case owner == "":
		return nil, errUnknown
	case user != "" && owner != user:
		return nil, errOther
	}
	st, err := h.load(ctx, owner, h.hash(s.id))
	switch {
	case err != nil:
		return nil, err
	case !st.found || st.head.Gone == head.Deleted || st.head.Ways.Passkeys == 0 || !bytes.Equal(st.row.ID, s.id):
		return nil, errUnknown // a row that the head does not count is left over
	case (user == "" || len(s.handle) > 0) && (len(st.handle) == 0 || !bytes.Equal(st.handle, s.handle)):
		// Step 6: the user whom the device names, and the owner of the credential, are one.
		return nil, invalid(errors.New("passkey: the user handle is not that of the owner of the credential"))
	}
	next, cloned, err := h.party.assert(c, s, st.row, verify, h.now())
	if err != nil {
		return nil, err
	}
	return &proof{st, next, cloned}, nil
}

// used writes when a passkey was used, and its counter. Best effort: a lost write makes the next use look younger.
func (h *handler) used(r *http.Request, p *proof) {
	if err := h.store.Write(r.Context(), h.put(p.user, p.next)); err != nil && !errors.Is(err, store.ErrConflict) {
		h.flow.Emit(r.Context(), r, postern.Event{Name: "passkey use not written", UserID: p.user, Err: err})
	}
	h.warnOfClone(r, p)
}

const (
	clonesEvery = 24 * time.Hour
	clones      = 1
)

// warnOfClone reports a counter that went back: once a day by mail. The passkey still works: its owner is as likely in
// front of it as the one who has a copy.
func (h *handler) warnOfClone(r *http.Request, p *proof) {
	if !p.cloned {
		return
	}
	ctx := r.Context()
	h.flow.Emit(ctx, r, postern.Event{Name: "passkey cloned", UserID: p.user, Reason: h.hash(p.row.ID)[:22]})
	if h.flow.LimitUser(ctx, "passkey cloned", p.user, clonesEvery, clones) != nil {
		return
	}
	n := noticeCloned(p.row.text())
	n.Credentials = []string{h.hash(p.row.ID)}
	h.flow.Notify(ctx, p.user, n)
}
