package postern

import (
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
	a.clearEnded(w, r)
	a.show(w, r, a.signUpPage(r, signUpForm{query: authorizeQuery(r)}))
	return nil
}

// A signUpForm is what the page of a sign-up is filled with. The refusal is about the field wrong.
type signUpForm struct {
	query string // of the authorize request
	typed url.Values
	wrong string
	err   *Error
}

func (a *Auth) signUpPage(r *http.Request, of signUpForm) Page {
	action := a.issuer + "/sign-up"
	if of.query != "" {
		action += "?" + of.query
	}
	p := Page{Name: "postern.sign-up", Title: "Create an account"}
	own := a.signUpFieldsWith(of)
	name, address := Field{
		Name: "username", Label: "Username", Autocomplete: "username", MaxLength: 32, Required: true,
		Hint: "3 to 32 of a-z, 0-9, dot, dash and underscore. Without an address nobody can help you if you lose your password.",
	}, Field{Name: "email", Label: "Email address", Type: "email", Autocomplete: "email", MaxLength: 254, Required: true}
	if hint := a.loginHint(r); strings.Contains(hint, "@") {
		address.Value = hint
	} else {
		name.Value = hint
	}
	add := func(form Form, f Field) {
		if a.mail == nil || !a.usernames {
			form.Submit = "Continue" // one form is all there is
		}
		if of.typed.Has(f.Name) {
			f.Value = of.typed.Get(f.Name)
		}
		f.Invalid = f.Name == of.wrong
		fields := append([]Field{f}, own...)
		if len(of.typed) > 0 && !of.typed.Has(f.Name) { // the other form was sent
			fields = append(fields[:1:1], a.signUpFields...)
		}
		form.Action, form.Fields = action, fields
		p.Forms = append(p.Forms, form)
	}
	if a.mail != nil {
		p.Text = "Enter your address. We will send you a code to verify it."
		add(Form{Name: "address", Submit: "Continue with email"}, address)
	}
	if a.usernames {
		add(Form{Name: "username", Submit: "Continue with a username"}, name)
	}
	if of.err != nil {
		p = p.WithError(of.err)
	}
	to := a.issuer + "/authorize"
	if of.query != "" {
		to += "?" + of.query
	}
	p.Links = []Link{{Name: "sign-in", Text: "I have an account", URL: to}}
	return p
}

// signUpFieldsWith returns the application's own fields with what was typed, except passwords.
func (a *Auth) signUpFieldsWith(of signUpForm) []Field {
	fields := slices.Clone(a.signUpFields)
	for i := range fields {
		f := &fields[i]
		f.Invalid = f.Name == of.wrong
		switch {
		case len(of.typed) == 0 || f.Type == "password":
		case f.Type == "checkbox":
			f.Checked = of.typed.Get(f.Name) != ""
		default:
			f.Value = of.typed.Get(f.Name)
		}
	}
	return fields
}

// refuseField shows the form of a sign-up again with what was typed, after a refusal that is about one of its fields.
func (a *Auth) refuseField(w http.ResponseWriter, r *http.Request, field string, err error) error {
	if e := (*Error)(nil); wantsJSON(r) || !errors.As(err, &e) {
		return err
	}
	e := refusal(err)
	a.report(r, nil, e, "")
	exchangeOf(r).form = withQuery("/"+flowSignUp, authorizeQuery(r))
	a.show(w, r, a.signUpPage(r, signUpForm{query: authorizeQuery(r), typed: r.PostForm, wrong: field, err: e}))
	return errAnswered
}

// authorizeQuery is the query of the authorize request that a room was opened with, to go on with.
func authorizeQuery(r *http.Request) string {
	q := url.Values{}
	for _, name := range []string{"redirect_uri", "state", "client_id", "code_challenge", "code_challenge_method", "response_type", "invitation", "login_hint", hintParam} {
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
	own, wrong, err := a.signUpValues(r)
	if err != nil {
		return a.refuseField(w, r, wrong, err)
	}
	if name := r.PostForm.Get("username"); name != "" && a.usernames {
		return a.signUpName(w, r, ret, name, own)
	}
	address, ok := canonicalAddress(r.PostForm.Get("email"))
	if !ok || a.mail == nil {
		return a.refuseField(w, r, "email", badRequest("invalid_address", "Please enter one email address, such as ann@example.com."))
	}
	exchangeOf(r).invite = r.Form.Get("invitation")
	return a.signUpAddress(w, r, ret, signUpState{MailIssuer, address, own}, nil)
}

// signUpValues returns the application's own fields of a sign-up, or the name of the field that is refused.
func (a *Auth) signUpValues(r *http.Request) (own map[string]string, wrong string, err error) {
	own = map[string]string{}
	for _, f := range a.signUpFields {
		v := r.PostForm.Get(f.Name)
		limit := f.MaxLength
		if limit == 0 {
			limit = 255
		}
		switch {
		case v == "" && f.Required:
			return nil, f.Name, badRequest("missing_field", "Please fill in: {field}.").with("field", Phrase(f.Label))
		case len(v) > 4*limit || text.HasControl(v):
			return nil, f.Name, badRequest("invalid_field", "This is too long, or has characters that are not allowed: {field}.").with("field", Phrase(f.Label))
		case v != "":
			own[f.Name] = v
		}
	}
	return own, "", nil
}

// signUpAddress mails a code to a new address, and a notice to an address that has an account. Both have the same
// answer, at the same cost. before is the attempt in whose place this one comes, after its mail; nil: none.
func (a *Auth) signUpAddress(w http.ResponseWriter, r *http.Request, ret session.Return, own signUpState, before *attempt) error {
	ctx, address := r.Context(), own.Subject
	who := Applicant{Address: address, Form: true}
	invite, err := a.readInvitation(ctx, exchangeOf(r).invite, address, true)
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
	t, err := a.beginOwn(w, r, ret, flowSignUp, purposeSignUp, own)
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
	link, err := a.linkOfCode(r, pathSignUpCode, t, address, code)
	if err != nil {
		return err
	}
	m := a.verifyMail(r, address, code, link, "postern.verify-address", forSignUpText)
	if known {
		m = a.haveAccountMail(r, address)
	}
	if err := a.sendMail(ctx, m); err != nil {
		return err
	}
	if before != nil {
		a.attempts.clear(w, before)
		a.endCode(ctx, before)
	}
	a.showStep(w, r, pathSignUpCode, t, a.signUpCodePage(t, address))
	return nil
}

// giveTicket begins the last step of a sign-up, for a verified address or a username: to choose a credential.
func (a *Auth) giveTicket(w http.ResponseWriter, r *http.Request, ret session.Return, invite string, own signUpState) error {
	x := exchangeOf(r)
	x.invite = invite
	ticket, err := a.beginOwn(w, r, ret, flowSignUp, purposeTicket, own)
	if err != nil {
		return err
	}
	if p := a.credentialPage(ticket, own); len(p.Forms) > 0 {
		a.showStep(w, r, pathCredential, ticket, p)
		return nil
	}
	// Without passwords and passkeys the verified address is the way in.
	return a.finishSignUp(w, r, nil, ticket, Credential{Methods: []string{"code"}})
}

// credentialPage lists the credentials that the person can choose.
func (a *Auth) credentialPage(ticket *attempt, own signUpState) Page {
	p := Page{Name: "postern.sign-up-credential", Title: "Choose how to sign in", Args: map[string]any{"identifier": own.Subject},
		Text: "You are creating an account for {identifier}."}
	for _, name := range a.order {
		if h, ok := a.flows[name].handler.(Enroller); ok {
			if f := h.EnrollForm(ticket.ID, own.Subject); f != nil {
				p.Forms = append(p.Forms, *f)
			}
		}
	}
	return p
}

// showCredential is the page of a ticket, which a browser can open again.
func (a *Auth) showCredential(w http.ResponseWriter, r *http.Request) error {
	t, own, err := a.ticket(r)
	if err != nil {
		return err
	}
	a.show(w, r, a.credentialPage(t, own))
	return nil
}

// signUpName begins the sign-up of a username, which needs no proof. Usernames can be enumerated by nature, so the
// client's address is limited.
func (a *Auth) signUpName(w http.ResponseWriter, r *http.Request, ret session.Return, name string, own map[string]string) error {
	if err := a.take(r.Context(), limit.Client(codeClient, a.issuer+"\x00username", a.clients.Addr(r))...); err != nil {
		return err
	}
	name, ok := text.Username(strings.TrimSpace(name))
	if !ok {
		return a.refuseField(w, r, "username", badRequest("invalid_username", "Please choose a username of 3 to 32 characters: a-z, 0-9, and between them dot, dash and underscore."))
	}
	if c, ok := a.session.users.(UsernameChecker); ok {
		if err := c.CheckUsername(name); err != nil {
			return a.refuseField(w, r, "username", unavailableUsers("Users.CheckUsername", err))
		}
	}
	if err := a.admitted(r.Context(), Applicant{Username: name, Form: true}); err != nil {
		return err
	}
	switch _, err := a.session.users.Find(r.Context(), Identity{Issuer: NameIssuer, Subject: name}); {
	case err == nil:
		return a.refuseField(w, r, "username", &Error{Status: http.StatusConflict, Code: "username_taken", Text: "This username is taken. Please choose another one."})
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

func (a *Auth) haveAccountMail(r *http.Request, to string) Mail {
	m := a.knownMail(Phrase(useragent.Device(r.UserAgent())))
	m.To, m.Language = to, firstLanguage(r)
	return m
}

// knownMail is the mail to somebody who has an account, and asked for another one.
func (a *Auth) knownMail(device Phrase) Mail {
	link := a.issuer + "/authorize"
	return Mail{
		Name:    "postern.have-account",
		Args:    map[string]any{"app": a.name, "device": device, "url": link, "time": a.sessions.Now().UTC()},
		Subject: "You have an account at {app}",
		Parts: []MailPart{
			{Text: "Somebody, with {device}, asked to create an account at {app} with this address. You have one already."},
			{Text: "Sign in", Link: link},
			{Text: "If it was not you, you can ignore this mail: nothing has changed."},
		},
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
