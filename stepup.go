package postern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
)

const (
	flowStepUp = "step-up"

	// stepUpLife is how old a proof may be for a change of the account.
	stepUpLife = 10 * time.Minute
)

// A StepUpper is the handler of a provider by which a signed-in person can prove again who they are. The provider's
// steps are those of a sign-in; the attempt knows its purpose.
type StepUpper interface {
	// StepUp returns the class of the proof: "password", "passkey", or "provider" for a provider whose identities have
	// AuthTime.
	StepUp() string
}

// An IdentityLister is a Users that can list the identities of a user, for step-up and for account pages.
type IdentityLister interface {
	Identities(ctx context.Context, userID string) ([]Identity, error)
}

// stepUpOf reads the session of the request and what it may prove with. answered reports that the request is answered.
func (a *Auth) stepUpOf(w http.ResponseWriter, r *http.Request) (l live, h head.Head, answered bool, err error) {
	l, ok := a.session.current(w, r)
	if !ok {
		return l, h, true, nil
	}
	if l.zero() {
		return l, h, false, errSignedOut()
	}
	if l.actor != "" {
		return l, h, false, errImpersonated()
	}
	if h, err = head.Get(r.Context(), a.store, a.session.pool, l.subject); err != nil {
		return l, h, false, unavailable(err)
	}
	if x := exchangeOf(r); x != nil {
		x.self = l.subject
	}
	return l, h, false, nil
}

func errSignedOut() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "not_signed_in", Text: "You are not signed in any more. Please sign in again."}
}

// proofs lists the names of providers and factors by which a person can prove again who they are: a factor where the
// person has one, else a passkey, a password or a provider, and a mailed code only where there is nothing else.
func (a *Auth) proofs(r *http.Request, l live, h head.Head) (names []string, mailed string, err error) {
	ctx := r.Context()
	need, err := a.session.due(ctx, l, h)
	if err != nil {
		return nil, "", err
	}
	for _, k := range a.answers(Requirement{}, h) {
		if !k.way && !k.info.Backup {
			names = append(names, k.name)
		}
	}
	var ids []Identity
	if lister, ok := a.session.users.(IdentityLister); ok {
		if ids, err = lister.Identities(ctx, l.subject); err != nil {
			return nil, "", unavailable(fmt.Errorf("postern: Users.Identities: %w", err))
		}
		ids = a.named(ids)
	}
	for _, name := range a.order {
		s, ok := a.flows[name].handler.(StepUpper)
		if !ok {
			continue
		}
		switch s.StepUp() {
		case "passkey":
			if h.Ways.Passkeys > 0 {
				names = append(names, name)
			}
		case "password":
			if h.Ways.Passwords > 0 && !need.due() {
				names = append(names, name)
			}
		case "provider":
			if !need.due() && slices.ContainsFunc(ids, func(id Identity) bool { return id.Provider == name }) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 || a.mail == nil || need.due() {
		return names, "", nil
	}
	p, err := a.session.users.Get(ctx, l.subject)
	if err != nil {
		return nil, "", unavailableUsers("Users.Get", err)
	}
	mailed, _ = p.Email()
	return nil, mailed, nil
}

// ofClass returns those of the proofs of a person that give a sign-in of the class in the parameter acr_values. The
// error says that there is none.
func (a *Auth) ofClass(r *http.Request, names []string, mailed string) ([]string, string, error) {
	classes := strings.Fields(r.Form.Get("acr_values"))
	if len(classes) == 0 {
		return names, mailed, nil
	}
	multi := slices.Contains(classes, session.ACRMultiFactor)
	passkey := multi || slices.Contains(classes, session.ACRPhishingResistant) || slices.Contains(classes, session.ACRHardware)
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		if s, ok := a.flows[name].handler.(StepUpper); ok && s.StepUp() == "passkey" {
			return !passkey
		}
		_, factor := a.ownFactor(name)
		return !factor || !multi
	})
	if len(names) == 0 {
		return nil, "", Deny("no_proof", "You have nothing here that proves who you are as strongly as this needs. Please set up a second factor first.")
	}
	return names, "", nil
}

// showStepUp lists the ways, or goes on to the only one.
func (a *Auth) showStepUp(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.returnFor(r); err != nil {
		return err
	}
	l, h, answered, err := a.stepUpOf(w, r)
	if answered || err != nil {
		return err
	}
	names, mailed, err := a.proofs(r, l, h)
	if err == nil {
		names, mailed, err = a.ofClass(r, names, mailed)
	}
	if err != nil {
		return err
	}
	q := stepUpQuery(r)
	switch {
	case len(names) == 0 && mailed == "":
		return Deny("no_proof", "There is no way here by which you could prove again who you are. Please ask the people who run this site.")
	case len(names) == 0:
		names = []string{"code"}
	}
	p := Page{Name: "postern.step-up", Title: "Confirm that it is you", Text: "What you are about to do needs a fresh proof of who you are."}
	for _, name := range names {
		way := a.providerLink(name, a.issuer+"/step-up/"+name+q)
		if k, ok := a.ownFactor(name); ok {
			way.Text, way.Args = "Use {factor}", map[string]any{"factor": Phrase(k.label)}
		} else if name == "code" {
			way.Text, way.Args = "Mail me a code", nil
		} else {
			way.Text = confirmWith(way.Text)
		}
		p.Ways = append(p.Ways, way)
	}
	a.show(w, r, p)
	return nil
}

// confirmWith is the text of a link to a provider in a step-up.
func confirmWith(text string) string {
	switch text {
	case "Continue with a password":
		return "Confirm with a password"
	case "Continue with a passkey":
		return "Confirm with a passkey"
	}
	return "Confirm with {provider}"
}

func stepUpQuery(r *http.Request) string {
	q, err := url.ParseQuery(authorizeQuery(r))
	if err != nil {
		return ""
	}
	for _, name := range []string{"login_hint", hintParam} { // the person is known
		q.Del(name)
	}
	for _, name := range []string{"max_age", "acr_values"} {
		if v := r.Form.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// maxAgeOf reads max_age of a step-up, in seconds: at most, and by default, ten minutes.
func maxAgeOf(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.Form.Get("max_age"), 10, 64)
	if err != nil || n < 0 || n > int64(stepUpLife/time.Second) {
		return int64(stepUpLife / time.Second)
	}
	return n
}

// beginStepUp begins an attempt of a provider with the purpose of a step-up.
func (a *Auth) beginStepUp(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, a.base+"/"+flowStepUp+"/")
	ret, err := a.returnFor(r)
	if err != nil {
		return err
	}
	l, h, answered, err := a.stepUpOf(w, r)
	if answered || err != nil {
		return err
	}
	names, _, err := a.proofs(r, l, h)
	if err == nil {
		names, _, err = a.ofClass(r, names, "")
	}
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		return errNotFound()
	}
	x := exchangeOf(r)
	x.purpose, x.whose = purposeStepUp, whose{User: l.subject, Session: l.id, Sec: h.Sec, MaxAge: maxAgeOf(r)}
	if k, ok := a.ownFactor(name); ok {
		return a.stepUpBy(w, r, k, ret, h)
	}
	return a.authorizeBy(w, r, name)
}

// ownFactor returns a factor of Config.Factors.
func (a *Auth) ownFactor(name string) (factor, bool) {
	i := slices.IndexFunc(a.factors, func(k factor) bool { return k.name == name && !k.way })
	if i < 0 {
		return factor{}, false
	}
	return a.factors[i], true
}

// stepUpBy lets a step-up wait for a factor.
func (a *Auth) stepUpBy(w http.ResponseWriter, r *http.Request, k factor, ret session.Return, h head.Head) error {
	x := exchangeOf(r)
	t, err := a.wait(w, r, &SignIn{UserID: x.whose.User, Return: ret}, h, waitRow{For: waitStepUp, Need: Requirement{Of: []string{k.name}}})
	if err != nil {
		return err
	}
	a.leadTo(w, r, k, "verify", t.ID)
	return nil
}

// authorizeBy passes a request to the authorize step of a provider. The purpose is in the exchange of the request.
func (a *Auth) authorizeBy(w http.ResponseWriter, r *http.Request, name string) error {
	s, ok := a.flows[name]
	if !ok || s.flow.parent != nil {
		return errNotFound()
	}
	u := *r.URL
	u.Path = a.base + "/" + name + "/authorize"
	exchangeOf(r).posting = r.Method == http.MethodPost
	r = r.WithContext(r.Context())
	r.URL = &u
	r.Method = http.MethodGet // whatever began it: the provider's own form comes first
	s.handler.ServeHTTP(w, r)
	return nil
}

// endStepUp replaces the session that began a step-up, if the proof is that of its person, and new enough.
func (a *Auth) endStepUp(w http.ResponseWriter, r *http.Request, in *SignIn, who whose) error {
	ctx := r.Context()
	l, ok := a.session.current(w, r)
	if !ok {
		return errAnswered
	}
	if l.id != who.Session || l.subject != who.User {
		return Deny("other_session", "This browser has another session now. Nothing was changed. Please start again.")
	}
	u := in.UserID
	if u == "" {
		var err error
		u, err = a.session.users.Find(ctx, in.Identity)
		if err != nil && !errors.Is(err, ErrNoUser) {
			return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
		}
		// Without auth_time the provider may have answered from an old session there, and proved nothing now.
		if in.Identity.Issuer != MailIssuer && in.Identity.AuthTime.IsZero() {
			return Deny("no_auth_time", "The other site did not say when you signed in there, so it proves nothing new. Please use another way.")
		}
	}
	if u != who.User {
		return Deny("other_person", "That was the sign-in of somebody else. Nothing was changed. Please start again as yourself.")
	}
	if a.sessions.Now().Sub(in.Authentication.Time) > time.Duration(who.MaxAge)*time.Second+attemptSkew {
		return Deny("too_old", "That sign-in is too old. Please start again, and sign in anew when you are asked.")
	}
	h, err := head.Get(ctx, a.store, a.session.pool, u)
	if err != nil {
		return unavailable(err)
	}
	if h.Sec != who.Sec {
		return errChanged()
	}
	need, err := a.session.due(ctx, l, h)
	if err != nil {
		return err
	}
	if _, ok := a.factorNamed(in.Identity.Provider); need.due() && !ok { // it has begun since
		return errChanged()
	}
	if in.Identity.Issuer == MailIssuer { // a stronger proof that the person has by now is not replaced by a code
		if _, mailed, err := a.proofs(r, l, h); err != nil || mailed == "" {
			return cmp.Or(err, error(errChanged()))
		}
	}
	p, err := a.comesIn(ctx, u, h)
	if err != nil {
		return err
	}
	r = r.WithContext(head.Loaded(head.Expect(ctx, h.Sec), h.Rights))
	// auth_time and amr are of one proof, this one: an older proof must not look as new. "mfa" stays where this is a
	// factor, since the session has had a first proof.
	auth := session.Authentication{Time: in.Authentication.Time, Methods: append(slices.Clone(in.Authentication.Methods), MethodStepUp)}
	if k, ok := a.factorNamed(in.Identity.Provider); ok {
		auth.Factors = []string{k.name}
		if slices.Contains(l.auth.Methods, MethodMultiFactor) || slices.Contains(proved(l.auth, k, in.Authentication.Methods, auth.Time).Methods, MethodMultiFactor) {
			auth.Methods = union(auth.Methods, []string{MethodMultiFactor})
		}
	}
	if err := a.session.replace(w, r, p, auth, in.Return); err != nil {
		return err
	}
	a.emitOf(ctx, Event{Name: "step-up", UserID: u, Kind: a.session.name, Provider: in.Identity.Provider})
	return nil // with a challenge the answer is a code; else Done redirects to where the step-up leads
}
