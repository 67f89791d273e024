package passkey

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// proofAge is how old a proof may be for a change of the passkeys.
const proofAge = 10 * time.Minute

// EnrollForm is the form at the end of a sign-up. It leads to the page on which the passkey is made.
func (h *handler) EnrollForm(state, _ string) *postern.Form {
	return &postern.Form{Name: "passkey", Title: "With a passkey", Action: h.flow.URL("sign-up"), Hidden: map[string]string{"state": state}, Submit: "Create a passkey"}
}

// newHandle returns a user handle: 64 random bytes, which say nothing about the user (section 14.6.1).
func newHandle() []byte {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // never fails
	return b
}

func (h *handler) newCreation(handle []byte, silent bool) ceremony {
	c := h.newCeremony()
	c.Handle, c.Algs, c.Silent = handle, h.party.algs, silent
	if len(handle) == 0 {
		c.Handle, c.New = newHandle(), true
	}
	return c
}

// signUp makes the passkey of a person who has verified an address, or chosen a username, in this browser. Without a
// credential it shows the page for that.
func (h *handler) signUp(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "ceremony", "credential"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	who, err := h.flow.Applying(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state, name := r.Form.Get("state"), who.Address+who.Username
	if !r.PostForm.Has("ceremony") {
		h.showSignUp(w, r, state, name, nil)
		return
	}
	c, made, err := h.made(r, forSignUp, state)
	if err != nil {
		if refused := asRefusal(err); refused != nil {
			h.showSignUp(w, r, state, name, refused)
			return
		}
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.SignUp(w, r, postern.Credential{
		Passkeys: 1, Methods: append(made.methods(true), postern.MethodMultiFactor),
		Changes: func(userID string) []store.Change { return h.created(userID, made, c.Handle) },
	})
}

func (h *handler) showSignUp(w http.ResponseWriter, r *http.Request, state, name string, refused *postern.Error) {
	c := h.newCreation(nil, false)
	sealed, err := h.seal(r.Context(), c, forSignUp, state)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p := h.page("passkey.sign-up", "Create a passkey", "You are creating an account for {identifier}.\n\nYour device makes a passkey, and asks for your finger, your face or a PIN.")
	p.Args["identifier"] = name
	form := h.form("sign-up", state, sealed, "Create my account")
	form.Data = formData{PublicKey: h.party.creation(c, userOf(c.Handle, name, ""), nil)}.encode()
	p.Forms = []postern.Form{form}
	again(&p, refused)
	h.flow.Page(w, r, p)
}

// made opens the ceremony of a form, and checks the new passkey. Nobody has its id yet.
func (h *handler) made(r *http.Request, purpose, bound string) (c ceremony, made row, err error) {
	if c, err = h.open(r, purpose, bound); err != nil {
		return c, made, err
	}
	text := r.PostForm.Get("credential")
	if text == "" {
		return c, made, errNone
	}
	if made, err = h.party.register(c, text); err != nil {
		return c, made, err
	}
	owner, err := h.owner(r.Context(), made.ID)
	if err == nil && owner != "" {
		err = errTaken
	}
	made.Created = h.now().UTC()
	return c, made, err
}

// askEnroll shows the page on which a person makes a passkey: from the account, or because a sign-in waits for one.
func (h *handler) askEnroll(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.flow.Person(w, r, proofAge); ok {
		h.showEnroll(w, r, p, false, nil)
	}
}

func (h *handler) showEnroll(w http.ResponseWriter, r *http.Request, who postern.Person, silent bool, refused *postern.Error) {
	form, err := h.enrollForm(r, "enroll", who, silent)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p := h.page("passkey.enroll", "Add a passkey", "Your device makes a passkey, and asks for your finger, your face or a PIN. You can sign in with it from then on.")
	p.Forms = []postern.Form{form}
	again(&p, refused)
	h.flow.Page(w, r, p)
}

// enrollForm is the form with the options of a new passkey of a person.
func (h *handler) enrollForm(r *http.Request, step string, who postern.Person, silent bool) (form postern.Form, err error) {
	ctx, state := r.Context(), r.Form.Get("state")
	s, err := h.load(ctx, who.ID, "")
	var rows []row
	if err == nil {
		rows, err = h.all(ctx, who.ID)
	}
	if err == nil && s.head.Ways.Passkeys >= maxPasskeys {
		err = errMany
	}
	if err != nil {
		return form, err
	}
	c := h.newCreation(s.handle, silent)
	sealed, err := h.seal(ctx, c, forEnroll, bindTo(who.ID, state))
	data := formData{PublicKey: h.party.creation(c, personOf(c.Handle, who), rows)}
	if silent {
		data.Mediation = conditional
	}
	form = h.form(step, state, sealed, "Create a passkey")
	form.Data = data.encode()
	return form, err
}

// bindTo is what a ceremony in an account belongs to: the user and, on the way to a session, the waiting sign-in.
func bindTo(userID, state string) string { return userID + "\x00" + state }

// enroll adds a passkey to the person. Without a credential it answers with the options of a new one, also for
// conditional create: the application's page asks for that after a sign-in by password.
func (h *handler) enroll(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "ceremony", "credential", "mediation"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	who, ok := h.flow.Person(w, r, proofAge)
	if !ok {
		return
	}
	if !r.PostForm.Has("ceremony") {
		h.showEnroll(w, r, who, r.PostForm.Get("mediation") == conditional && r.Form.Get("state") == "", nil)
		return
	}
	next, err := h.add(w, r, who)
	if refused := asRefusal(err); refused != nil {
		h.showEnroll(w, r, who, false, refused)
		return
	}
	switch {
	case err != nil:
		h.flow.Fail(w, r, err)
	case next != nil:
		h.showAdded(w, r, *next)
	default:
		h.showList(w, r, who, "passkey.added", "Your passkey was added.")
	}
}

// showAdded is the page of a person who goes on after a passkey was added.
func (h *handler) showAdded(w http.ResponseWriter, r *http.Request, next postern.Form) {
	h.flow.Page(w, r, postern.Page{Name: "passkey.added", Title: "Done", Text: "Your passkey was added.", Forms: []postern.Form{next}})
}

// add checks the new passkey of a form, and adds it to the person.
func (h *handler) add(w http.ResponseWriter, r *http.Request, who postern.Person) (next *postern.Form, err error) {
	c, made, err := h.made(r, forEnroll, bindTo(who.ID, r.Form.Get("state")))
	if err != nil {
		return nil, err
	}
	s, err := h.load(r.Context(), who.ID, "")
	if err == nil && s.head.Ways.Passkeys >= maxPasskeys {
		err = errMany
	}
	if err != nil {
		return nil, err
	}
	var handle []byte
	if c.New {
		handle = c.Handle
	}
	return h.flow.Enroll(w, r, postern.Enrolment{
		Passkeys: 1, Changes: append(h.created(who.ID, made, handle), h.burnt(who.ID, c)), Methods: h.enrolMethods(r, made, c),
		Event: "passkey added", Notice: noticeAdded(made.text()),
	})
}

// enrolMethods are the amr of a new passkey on the way to a session. In a session a new passkey proves nothing: the
// person has just made it.
func (h *handler) enrolMethods(r *http.Request, made row, c ceremony) []string {
	if r.Form.Get("state") == "" {
		return nil
	}
	return made.methods(!c.Silent)
}
