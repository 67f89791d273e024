package password

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/password/hash"
)

// ask shows the form, for a sign-in or for a person who is signed in and must prove who they are.
func (h *handler) ask(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "login_hint"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	id, err := h.begin(w, r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	hint := h.flow.LoginHint(r)
	user, known := h.flow.Proving(r)
	if known {
		hint = h.nameOfUser(r.Context(), user)
	}
	p := h.signInPage(id, known, hint, attempt{Query: queryOf(r)})
	if h.flow.TakeNotice(w, r) == "reset" {
		p.Notice = "Your password was set."
	}
	h.flow.Autofill(w, r, &p)
	h.flow.Page(w, r, p)
}

func (h *handler) begin(w http.ResponseWriter, r *http.Request) (id string, err error) {
	a := attempt{Query: queryOf(r)}
	if len(a.Query) > maxQuery {
		a = attempt{Long: true}
	}
	return h.flow.Start(w, r, a)
}

// Usernames reports whether a name that a person types may be a username.
func (h *handler) Usernames() bool { return h.usernames }

// FormFor asks for the password of a name that was typed on the page before. It does not look the name up.
func (h *handler) FormFor(w http.ResponseWriter, r *http.Request, identifier string) (*postern.Form, []postern.Link, error) {
	id, err := h.begin(w, r)
	if err != nil {
		return nil, nil, err
	}
	return &postern.Form{
		Name: "password", Action: h.flow.URL("callback"), Hidden: map[string]string{"state": id, "identifier": identifier}, Username: identifier,
		Fields: []postern.Field{passwordField()}, Submit: "Sign in",
	}, h.forgotLink(r), nil
}

func passwordField() postern.Field {
	return postern.Field{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password", Required: true}
}

// forgotLink leads to the reset of a lost password, with what names the person.
func (h *handler) forgotLink(r *http.Request) []postern.Link {
	if !h.flow.MailReady() {
		return nil
	}
	to := h.flow.URL("forgot")
	if kept := r.Form.Get("postern_hint"); kept != "" {
		to += "?" + url.Values{"postern_hint": {kept}}.Encode()
	}
	return []postern.Link{{Name: "forgot", Text: "I forgot my password", URL: to}}
}

// queryOf is the query of a request for authorize, whose parameters may be in a body.
func queryOf(r *http.Request) string {
	if r.Method == http.MethodPost {
		return r.Form.Encode()
	}
	return r.URL.RawQuery
}

// An attempt is what the browser keeps, sealed: the query of authorize, to begin again with in another way.
type attempt struct {
	Query string `json:"q,omitempty"`
	Long  bool   `json:"l,omitempty"` // the query is too long for a cookie
}

const maxQuery = 448 // bytes

// nameOfUser is the name by which a password manager knows a user, if there is one to be had.
func (h *handler) nameOfUser(ctx context.Context, userID string) string {
	p, err := h.flow.Users().Get(ctx, userID)
	if err != nil {
		return "" // the page works without it
	}
	name, _ := p.Email()
	return cmp.Or(name, p.Username)
}

// signInPage asks for a password. name is what the person typed, or whose password it is if they are known.
func (h *handler) signInPage(id string, known bool, name string, a attempt) postern.Page {
	p := postern.Page{Name: "password.sign-in", Title: "Sign in to {app}", Args: map[string]any{"app": h.flow.AppName()}}
	form := postern.Form{Action: h.flow.URL("callback"), Hidden: map[string]string{"state": id}, Submit: "Sign in"}
	if known {
		p.Name, p.Title, form.Submit = "password.confirm", "Confirm that it is you", "Continue"
		form.Username = name
	} else {
		form.Fields = append(form.Fields, h.nameField(name))
	}
	form.Fields = append(form.Fields, passwordField())
	p.Forms = []postern.Form{form}
	if h.flow.MailReady() {
		p.Links = append(p.Links, postern.Link{Name: "forgot", Text: "I forgot my password", URL: h.flow.URL("forgot")})
	}
	if !known && !a.Long {
		if to := h.flow.SignUpURL(a.Query); to != "" {
			p.Links = append(p.Links, postern.Link{Name: "sign-up", Text: "Create an account", URL: to})
		}
		p.Links = append(p.Links, h.flow.OtherWays(a.Query)...)
	}
	return p
}

// nameField asks for the name of a person: an address, or a username.
func (h *handler) nameField(typed string) postern.Field {
	f := postern.Field{Name: "identifier", Label: "Email address", Type: "email", Value: typed, Autocomplete: "username", MaxLength: mailaddr.MaxLength, Required: true}
	if h.usernames {
		f.Label, f.Type = "Email address or username", "text"
	}
	return f
}

// identity reads the name that a person typed. It is an address if it has an at sign.
func (h *handler) identity(typed string) (id postern.Identity, mail bool, err error) {
	if h.usernames && !strings.Contains(typed, "@") {
		name, ok := text.Username(strings.TrimSpace(typed))
		if !ok {
			return id, false, refusal("invalid_username", "This is not a username. It has 3 to 32 of a-z, 0-9, dot, dash and underscore.", nil)
		}
		return postern.Identity{Issuer: postern.NameIssuer, Subject: name}, false, nil
	}
	a, err := mailaddr.ParseTyped(typed)
	if err != nil {
		text := "This is not an email address."
		var why *mailaddr.Error
		if errors.As(err, &why) {
			text = why.Text
		}
		return id, false, refusal("invalid_address", text, err)
	}
	return postern.Identity{Issuer: postern.MailIssuer, Subject: a.String()}, true, nil
}

// find returns the user with an identity, and an empty id if there is none.
func (h *handler) find(ctx context.Context, id postern.Identity) (string, error) {
	user, err := h.flow.Users().Find(ctx, id)
	if errors.Is(err, postern.ErrNoUser) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("password: Users.Find: %w", err)
	}
	return user, nil
}

// errWrong is the one answer to a wrong password, to a name that nobody has, and to a locked password.
var errWrong = refusal("wrong_password", "That name and password do not belong together. Please check both. If you have lost the password, reset it.", nil)

// errDemanded is the answer to a right password that an administrator wants to be changed.
var errDemanded = refusal("password_change_demanded", "Please choose a new password first: reset it, by the mail that we send you.", nil)

// signIn compares a password, and ends the sign-in or the step-up of its attempt.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request) {
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	user, stepUp := h.flow.Proving(r)
	fields := []string{"state", "password"}
	if !stepUp {
		fields = append(fields, "identifier")
	}
	if err := h.flow.Fields(r, fields...); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	name := typedName(r)
	if stepUp {
		name = h.nameOfUser(r.Context(), user)
	}
	page := h.signInPage(r.PostForm.Get("state"), stepUp, name, a)
	e := &effort{user: user, client: h.flow.Addr(r)}
	var id postern.Identity
	if !stepUp {
		var err error
		if id, e.mail, err = h.identity(r.PostForm.Get("identifier")); err != nil {
			if !a.Long {
				h.flow.AutofillAgain(w, r, a.Query, &page)
			}
			h.again(w, r, page, err)
			return
		}
		e.identifier = id.Issuer + id.Subject
	}
	s, err := h.prove(r, e, id, r.PostForm.Get("password"))
	if err == nil && s.head.Change {
		err = errDemanded
	}
	switch {
	case errors.Is(err, errDemanded):
		h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", UserID: e.user, Reason: errDemanded.Code})
		h.again(w, r, page, err)
		return
	case errors.Is(err, errWrong):
		h.flow.Emit(r.Context(), r, postern.Event{Name: "sign-in failed", UserID: e.user, Reason: errWrong.Code})
		if !stepUp && !a.Long {
			h.flow.AutofillAgain(w, r, a.Query, &page)
		}
		h.again(w, r, page, err)
		return
	case err != nil:
		h.flow.Fail(w, r, general(err))
		return
	}
	if err := h.flow.Resume(w, r, nil); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.remember(r.Context(), w, e.browser, s.user, s.head.Sec)
	h.flow.DoneUser(w, r.WithContext(head.Expect(r.Context(), s.head.Sec)), s.user, "pwd")
}

// prove finds the user of an effort, unless it has one, and compares the password. The error is errWrong for a wrong
// one.
func (h *handler) prove(r *http.Request, e *effort, id postern.Identity, password string) (s *state, err error) {
	ctx := r.Context()
	if e.browser, err = h.browser(r); err != nil {
		return nil, err
	}
	if err := h.chargeName(ctx, e); err != nil {
		return nil, err
	}
	if id.Subject != "" {
		if e.user, err = h.find(ctx, id); err != nil {
			return nil, err
		}
	}
	return h.proveUser(ctx, e, password)
}

// proveUser charges a guess at a user, and compares the password.
func (k *keeper) proveUser(ctx context.Context, e *effort, password string) (*state, error) {
	s, err := k.chargeUser(ctx, e)
	if err != nil {
		return nil, err
	}
	found, err := k.compare(ctx, e, s, password)
	switch {
	case errors.Is(err, hash.ErrBusy):
		k.spared(ctx, e, s)
		return nil, err
	case err != nil:
		return nil, err
	case !found.OK:
		k.failed(ctx, e, s)
		return nil, errWrong
	}
	k.succeeded(ctx, e, s)
	if found.Rehash {
		k.rehash(ctx, s, password)
	}
	return s, nil
}

func typedName(r *http.Request) string {
	if typed := r.PostForm.Get("identifier"); len(typed) <= mailaddr.MaxLength {
		return typed
	}
	return ""
}

// again shows a form once more, with the error. Errors that are not about the form end the request.
func (h *handler) again(w http.ResponseWriter, r *http.Request, p postern.Page, err error) {
	var e *postern.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		h.flow.Fail(w, r, general(err))
		return
	}
	p = p.WithError(e)
	h.flow.Page(w, r, p)
}

// busy is the answer where too many passwords are being hashed.
func busy(err *hash.BusyError) *postern.Error {
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: err.RetryAfter, Err: err,
		Text: "Too many people are signing in at this moment. Please try again in a few seconds."}
}
