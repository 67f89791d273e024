package postern

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const flowSignUp = "sign-up"

// In a sign-up nothing except the address is asked before the address is verified, so nothing that one browser typed
// can be taken over by a proof in another.

func (a *Auth) showSignUp(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.returnFor(r); err != nil {
		return err
	}
	a.show(w, r, a.signUpPage(r, nil))
	return nil
}

func (a *Auth) signUpPage(r *http.Request, e *Error) Page {
	action := a.issuer + "/sign-up"
	q := authorizeQuery(r)
	if q != "" {
		action += "?" + q
	}
	p := Page{Name: "postern.sign-up", Title: "Create an account"}
	fields := slices.Clone(a.signUpFields)
	if a.mail != nil {
		p.Text = "Enter your address. We will send you a code to verify it."
		p.Forms = append(p.Forms, Form{Name: "address", Action: action, Submit: "Continue", Fields: append([]Field{{
			Name: "email", Label: "Email address", Type: "email", Autocomplete: "email", MaxLength: 254, Required: true,
		}}, fields...)})
	}
	if a.usernames {
		p.Forms = append(p.Forms, Form{Name: "username", Action: action, Submit: "Continue", Fields: append([]Field{{
			Name: "username", Label: "Username", Autocomplete: "username", MaxLength: 32, Required: true,
			Hint: "3 to 32 of a-z, 0-9, dot, dash and underscore. Without an address nobody can help you if you lose your password.",
		}}, fields...)})
	}
	if e != nil {
		p.Status, p.Error, p.Code = e.Status, e.Text, e.Code
	}
	to := a.issuer + "/authorize"
	if q != "" {
		to += "?" + q
	}
	p.Links = []Link{{Name: "sign-in", Text: "I have an account", URL: to}}
	return p
}

// authorizeQuery is the query of the authorize request that a room was opened with, to go on with.
func authorizeQuery(r *http.Request) string {
	q := url.Values{}
	for _, name := range []string{"redirect_uri", "state", "client_id", "code_challenge", "code_challenge_method", "response_type", "invitation"} {
		if v := r.Form.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	return q.Encode()
}

// postSignUp begins the sign-up of an address or a username.
func (a *Auth) postSignUp(w http.ResponseWriter, r *http.Request) error {
	ret, err := a.returnFor(r)
	if err != nil {
		return err
	}
	names := []string{"email", "invitation"}
	if a.usernames {
		names = append(names, "username")
	}
	for _, f := range a.signUpFields {
		names = append(names, f.Name)
	}
	if err := knownMembers(r, names...); err != nil {
		return err
	}
	if r.PostForm.Get("email") != "" && r.PostForm.Get("username") != "" {
		return badRequest("invalid_request", "Please send an address or a username, and not both.")
	}
	own, err := a.signUpValues(r)
	if err != nil {
		return err
	}
	if name := r.PostForm.Get("username"); name != "" && a.usernames {
		return a.signUpName(w, r, ret, name, own)
	}
	address, ok := canonicalAddress(r.PostForm.Get("email"))
	if !ok || a.mail == nil {
		e := badRequest("invalid_address", "Please enter one email address, such as ann@example.com.")
		if wantsJSON(r) {
			return e
		}
		a.show(w, r, a.signUpPage(r, e))
		return nil
	}
	return a.signUpAddress(w, r, ret, address, own)
}

// signUpValues returns the application's own fields of a sign-up.
func (a *Auth) signUpValues(r *http.Request) (map[string]string, error) {
	own := map[string]string{}
	for _, f := range a.signUpFields {
		v := r.PostForm.Get(f.Name)
		limit := f.MaxLength
		if limit == 0 {
			limit = 255
		}
		switch {
		case v == "" && f.Required:
			return nil, badRequest("missing_field", "Please fill in: "+f.Label+".")
		case len(v) > 4*limit || text.HasControl(v):
			return nil, badRequest("invalid_field", "This is too long, or has characters that are not allowed: "+f.Label+".")
		case v != "":
			own[f.Name] = v
		}
	}
	return own, nil
}

// signUpAddress mails a code to a new address, and a notice to an address that has an account. Both have the same
// answer, at the same cost.
func (a *Auth) signUpAddress(w http.ResponseWriter, r *http.Request, ret session.Return, address string, own map[string]string) error {
	ctx := r.Context()
	who := Applicant{Address: address, Form: true}
	invite, err := a.typedInvitation(r, address)
	if err != nil {
		return err
	}
	who.Invited = invite != nil
	if err := a.admitted(ctx, who); err != nil { // alike for known and unknown addresses
		return err
	}
	if err := a.takeMail(r, address, ""); err != nil {
		return err
	}
	t, err := a.beginOwn(w, r, ret, flowSignUp, purposeSignUp, signUpState{MailIssuer, address, own})
	if err != nil {
		return err
	}
	_, err = a.session.users.Find(ctx, mailIdentity(address))
	if err != nil && !errors.Is(err, ErrNoUser) {
		return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
	}
	known := err == nil
	code, err := a.newCode(ctx, t, address, !known)
	if err != nil {
		return err
	}
	m := a.verifyMail(r, address, code, "postern.verify-address", "to create your account")
	if known {
		m = a.haveAccountMail(r, address)
	}
	if err := a.sendMail(ctx, m); err != nil {
		return err
	}
	a.show(w, r, a.codePage(t, "/sign-up/code", "postern.sign-up-code", address, nil))
	return nil
}

// codePage asks for a mailed code.
func (a *Auth) codePage(t *attempt, path, name, address string, e *Error) Page {
	p := Page{
		Name: name, Title: "Check your mail", Args: map[string]any{"address": address, "life": codeLife},
		Text: "We sent a mail to " + address + ". Enter the code of the mail here. It works for ten minutes.",
		Forms: []Form{{Action: a.issuer + path, Hidden: map[string]string{"state": t.ID}, Submit: "Continue", Fields: []Field{{
			Name: "code", Label: "Code", InputMode: "numeric", Autocomplete: "one-time-code", MaxLength: 12, Required: true,
		}}}},
	}
	if e != nil {
		p.Status, p.Error, p.Code = e.Status, e.Text, e.Code
	}
	return p
}

// postSignUpCode takes the code of a sign-up, and then lets the person choose a credential here.
func (a *Auth) postSignUpCode(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.takeCode(w, r, flowSignUp, purposeSignUp)
	if err != nil {
		return err
	}
	return a.giveTicket(w, r, t.ret(), t.Invite, own)
}

// takeCode takes the typed code of an attempt of a room, and uses both up. A wrong code is answered with the page once
// more, and the error is errAnswered.
func (a *Auth) takeCode(w http.ResponseWriter, r *http.Request, flow, purpose string) (*attempt, signUpState, error) {
	var own signUpState
	if err := knownMembers(r, "state", "code"); err != nil {
		return nil, own, err
	}
	t, err := a.attempts.find(r, flow)
	if err != nil {
		return nil, own, err
	}
	if err := json.Unmarshal(t.Provider, &own); t.Purpose != purpose || err != nil {
		return nil, own, errPurpose()
	}
	if err := a.checkCode(r, t, own.Subject, r.PostForm.Get("code")); err != nil {
		if e := refusal(err); e.Code == "wrong_code" && !wantsJSON(r) {
			a.show(w, r, a.codePage(t, "/"+flow+"/code", "postern."+flow+"-code", own.Subject, e))
			return nil, own, errAnswered
		}
		return nil, own, err
	}
	a.attempts.clear(w, t)
	return t, own, nil
}

// giveTicket begins the last step of a sign-up, for a verified address or a username: to choose a credential.
func (a *Auth) giveTicket(w http.ResponseWriter, r *http.Request, ret session.Return, invite string, own signUpState) error {
	x := exchangeOf(r)
	x.invite = invite
	ticket, err := a.beginOwn(w, r, ret, flowSignUp, purposeTicket, own)
	if err != nil {
		return err
	}
	p := Page{Name: "postern.sign-up-credential", Title: "Choose how to sign in", Args: map[string]any{"identifier": own.Subject},
		Text: "You are creating an account for " + own.Subject + "."}
	for _, name := range a.order {
		if h, ok := a.flows[name].handler.(Enroller); ok {
			if f := h.EnrollForm(ticket.ID, own.Subject); f != nil {
				p.Forms = append(p.Forms, *f)
			}
		}
	}
	if len(p.Forms) > 0 {
		a.show(w, r, p)
		return nil
	}
	// Without passwords and passkeys the verified address is the way in.
	return a.finishSignUp(w, r, nil, ticket, Credential{Methods: []string{"code"}})
}

// signUpName begins the sign-up of a username, which needs no proof. Usernames can be enumerated by nature, so the
// client's address is limited.
func (a *Auth) signUpName(w http.ResponseWriter, r *http.Request, ret session.Return, name string, own map[string]string) error {
	if err := a.take(r.Context(), limit.Client(codeClient, a.issuer+"\x00username", a.clients.Addr(r))...); err != nil {
		return err
	}
	name, ok := text.Username(strings.TrimSpace(name))
	if !ok {
		return badRequest("invalid_username", "Please choose a username of 3 to 32 characters: a-z, 0-9, and between them dot, dash and underscore.")
	}
	if c, ok := a.session.users.(UsernameChecker); ok {
		if err := c.CheckUsername(name); err != nil {
			return unavailableUsers("Users.CheckUsername", err)
		}
	}
	if err := a.admitted(r.Context(), Applicant{Username: name, Form: true}); err != nil {
		return err
	}
	switch _, err := a.session.users.Find(r.Context(), Identity{Issuer: NameIssuer, Subject: name}); {
	case err == nil:
		return &Error{Status: http.StatusConflict, Code: "username_taken", Text: "This username is taken. Please choose another one."}
	case !errors.Is(err, ErrNoUser):
		return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
	}
	return a.giveTicket(w, r, ret, "", signUpState{NameIssuer, name, own})
}

// A UsernameChecker is a Users that refuses usernames which nobody may have, before the person chooses a credential.
// The error is an [*Error], or has one, with the reason. It reads no store.
type UsernameChecker interface {
	CheckUsername(name string) error
}

// beginOwn begins an attempt of a room of the handler itself.
func (a *Auth) beginOwn(w http.ResponseWriter, r *http.Request, ret session.Return, flow, purpose string, state any) (*attempt, error) {
	own, err := compactJSON(state)
	if err != nil {
		return nil, err
	}
	t := &attempt{Flow: flow, Purpose: purpose, Provider: own,
		Target: ret.Target(), State: ret.State(), Challenge: ret.Challenge(), ClientID: ret.ClientID()}
	if x := exchangeOf(r); x != nil {
		t.Whose, t.Invite = x.whose, x.invite
	}
	if err := a.attempts.begin(w, r, t); errors.Is(err, errTooLong) { // the client made it so long
		return t, badRequest("invalid_field", "What was sent is too long together. Please shorten it.")
	} else if err != nil {
		return t, err
	}
	return t, nil
}

// verifyMail is the mail with a code. It repeats nothing of the request except words of this module.
func (a *Auth) verifyMail(r *http.Request, to, code, name, what string) Mail {
	shown := code[:codeDigits/2] + " " + code[codeDigits/2:]
	device := useragent.Device(r.UserAgent())
	return Mail{
		To: to, Name: name, Language: useragent.Language(r.Header.Get("Accept-Language")),
		Args:    map[string]any{"code": code, "app": a.name, "device": device, "life": codeLife, "time": a.sessions.Now().UTC()},
		Subject: "Your code for " + a.name,
		Text: "Your code for " + a.name + ", " + what + ":\n\n" + shown + "\n\nIt works for ten minutes, in the browser that asked for it: " + device +
			".\n\nIf you did not ask for it, you can ignore this mail. Do not give the code to anybody.\n",
	}
}

func (a *Auth) haveAccountMail(r *http.Request, to string) Mail {
	device := useragent.Device(r.UserAgent())
	return Mail{
		To: to, Name: "postern.have-account", Language: useragent.Language(r.Header.Get("Accept-Language")),
		Args:    map[string]any{"app": a.name, "device": device, "url": a.issuer + "/authorize", "time": a.sessions.Now().UTC()},
		Subject: "You have an account at " + a.name,
		Text: "Somebody, with " + device + ", asked to create an account at " + a.name + " with this address. You have one already: sign in to it at\n\n" +
			a.issuer + "/authorize\n\nIf it was not you, you can ignore this mail: nothing has changed.\n",
	}
}

// usedTicket is the change that uses up a ticket, once.
func (a *Auth) usedTicket(r *http.Request, t *attempt) (store.Change, error) {
	key := usedKey(a.attempts.place(t.ID))
	value, err := a.sealRow(r.Context(), key, usedAttempt{Flow: t.Flow, Target: t.Target})
	if err != nil {
		return store.Change{}, unavailable(err)
	}
	return store.Put(store.Item{Key: key, Value: value, Expires: attemptGone(t)}), nil
}
