package postern

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/session"
)

// A Kind is a kind of session whose subjects are users. It has all methods of session.Kind. NewKind makes one.
type Kind[T any] struct {
	*session.Kind[T]
	core *kindCore
}

// A SessionKind is a [Kind] of any type, for Config.Session.
type SessionKind interface{ sessionKind() *kindCore }

func (k *Kind[T]) sessionKind() *kindCore { return k.core }

// NewKind makes a kind of session for the users of u: properties returns what a session says of a person. Use it for
// Config.Session. Sessions then follow the user:
//
//   - at each refresh Roles, Scopes and Properties are those of the user at that moment,
//   - the session of a user who is disabled or deleted ends at its next refresh, and at once where a guard has
//     session.CheckStore,
//   - c.OnRefresh is called after that, and may change the grant again.
//
// Like session.NewKindConfig, it panics on a mistake, with a text that names what to change. It also panics if c is
// Stateless: the sessions of users must be able to end.
func NewKind[T any](s *session.Sessions, u Users, c session.KindConfig[T], properties func(Person) T) *Kind[T] {
	switch {
	case s == nil || u == nil || properties == nil:
		panic("postern: NewKind needs sessions, users and a function that returns the properties of a person")
	case c.Stateless:
		panic("postern: NewKind of a Stateless kind: a session that cannot end outlives its user; leave Stateless out")
	}
	core := &kindCore{name: c.Name, sessions: s, users: u, pool: s.Issuer()}
	if p, ok := u.(interface{ Pool() string }); ok {
		core.pool = p.Pool()
	}
	own := c.OnRefresh
	c.Pool = core.pool
	if c.StepUp == "" {
		c.StepUp = s.Issuer() + "/step-up"
	}
	c.OnRefresh = func(ctx context.Context, id string, g *session.Grant[T]) error {
		p, err := core.person(ctx, g.Subject)
		if err == nil && slices.Contains(g.Authentication.Methods, methodConsole) {
			err = core.consoleStands(ctx, id, g.Subject)
		}
		if err == nil && g.ActorSession == "" { // an administrator who acts as the person has shown no factor of theirs
			err = core.holds(ctx, p, g.Authentication)
		}
		if err != nil {
			return err
		}
		g.Properties, g.Roles, g.Scopes = properties(p), slices.Clone(p.Roles), slices.Clone(p.Scopes)
		if own != nil {
			return own(ctx, id, g)
		}
		return nil
	}
	k := &Kind[T]{session.NewKindConfig(s, c), core}
	grant := func(p Person, auth session.Authentication) session.Grant[T] {
		return session.Grant[T]{Subject: p.ID, Properties: properties(p), Roles: slices.Clone(p.Roles), Scopes: slices.Clone(p.Scopes), Authentication: auth}
	}
	core.deliver = func(w http.ResponseWriter, r *http.Request, p Person, in *SignIn, how delivery) error {
		g := grant(p, in.Authentication)
		switch how {
		case byCode:
			if !inBrowser(r) {
				return k.Code(w, r, g, in.Return)
			}
			return k.CodeAndCookies(w, r, g, in.Return)
		case byTokens:
			g.Device, g.Address = r.UserAgent(), in.Return.Addr()
			t, err := k.Create(r.Context(), g)
			if err != nil {
				return err
			}
			return writeTokens(w, t)
		}
		return k.Cookie(w, r, g, in.Return)
	}
	// It is built when it is first used: a program that only checks tokens has no store, and builds no such guard.
	ask := sync.OnceValue(func() http.Handler {
		return k.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			found, _ := r.Context().Value(foundKey{}).(*found)
			found.passed = true
			if s, ok := k.From(r.Context()); ok && s.Kind == c.Name {
				found.live = live{s.ID, s.Subject, s.Authentication, s.Scopes, s.Roles, s.RightsVersion(), s.Actor}
			}
		}), session.CheckStore)
	})
	core.current = func(w http.ResponseWriter, r *http.Request) (live, bool) {
		var f found
		ask().ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), foundKey{}, &f)))
		return f.live, f.passed
	}
	core.replace = func(w http.ResponseWriter, r *http.Request, p Person, auth session.Authentication, ret session.Return) error {
		var err error
		if ret.Challenge() == "" {
			err = k.ReplaceCookies(w, r, grant(p, auth))
		} else {
			err = k.ReplaceCookiesAndCode(w, r, grant(p, auth), ret)
		}
		return goneNow(err)
	}
	core.signedBy = func(ctx context.Context, sessionID string) (session.Authentication, error) {
		auth, err := k.AuthenticationOf(ctx, sessionID)
		return auth, goneNow(err)
	}
	core.beside = func(w http.ResponseWriter, r *http.Request, p Person, l live, ret session.Return) error {
		return goneNow(k.CodeBeside(w, r, l.id, grant(p, l.auth), ret))
	}
	core.actAs = func(ctx context.Context, p Person, actor Actor) (session.Tokens, error) {
		g := grant(p, session.Authentication{})
		g.ActorSession, g.ActorPool = actor.SessionID, actor.Pool
		return k.Create(ctx, g)
	}
	core.open = func(ctx context.Context, p Person, auth session.Authentication, device string) (session.Tokens, error) {
		g := grant(p, auth)
		g.Device = device
		return k.Create(ctx, g)
	}
	core.owns = k.Holds
	core.setCookies, core.clearCookies = k.SetCookies, k.ClearCookies
	return k
}

// A kindCore is what the handler knows of a Kind, without its type.
type kindCore struct {
	name     string
	pool     string // of the ids of users
	sessions *session.Sessions
	users    Users

	// demand is the policy of the Auth that has the kind; nil without Config.RequireFactor, see holds.
	demand func(ctx context.Context, p Person, h head.Head, auth session.Authentication) (Requirement, error)

	deliver func(w http.ResponseWriter, r *http.Request, p Person, in *SignIn, how delivery) error

	// current returns the session of a request, after the store was asked; ok is false if the request is answered
	// already. The zero live is a signed-out person.
	current func(w http.ResponseWriter, r *http.Request) (l live, ok bool)

	// replace replaces the session in the cookies of the request. If ret has a challenge, it answers with a code for
	// the application there.
	replace func(w http.ResponseWriter, r *http.Request, p Person, auth session.Authentication, ret session.Return) error

	// signedBy returns how the person of a session signed in, as the store knows it.
	signedBy func(ctx context.Context, sessionID string) (session.Authentication, error)

	// beside answers with a code for another session of the person of a session.
	beside func(w http.ResponseWriter, r *http.Request, p Person, l live, ret session.Return) error

	// actAs creates a session in which somebody acts as a person.
	actAs func(ctx context.Context, p Person, actor Actor) (session.Tokens, error)

	// open creates a session of a person who has proved who they are.
	open func(ctx context.Context, p Person, auth session.Authentication, device string) (session.Tokens, error)

	// owns checks that a request has the refresh cookie of a session, and not its access token alone.
	owns func(r *http.Request, sessionID string) error

	setCookies   func(http.ResponseWriter, session.Tokens)
	clearCookies func(http.ResponseWriter)
}

// goneNow returns errSignedOut for a session that has ended in the meantime.
func goneNow(err error) error {
	for _, gone := range []error{session.ErrEnded, session.ErrRefresh, session.ErrReuse, session.ErrMissing} {
		if errors.Is(err, gone) {
			return errSignedOut()
		}
	}
	return err
}

// found is what the guard of kindCore.current found. passed is false if it answered the request.
type found struct {
	live   live
	passed bool
}

type foundKey struct{}

// A live session is the session of a request that lives in the store at this moment.
type live struct {
	id, subject string
	auth        session.Authentication
	scopes      []string
	roles       []string
	rights      int64  // of the head, when scopes were those of the user
	actor       string // who acts as the subject in an impersonation
}

func (l live) zero() bool { return l.id == "" }

// delivery is how a session gets to its owner. The configuration decides, and never the request.
type delivery int

const (
	byCookie delivery = iota
	byCode            // the application sent a PKCE challenge to authorize
	byTokens          // the application is one of Config.TokenClients
)

// person returns the user of a session. It returns session.ErrEnded for a user who may not have one.
func (k *kindCore) person(ctx context.Context, userID string) (Person, error) {
	p, err := k.users.Get(ctx, userID)
	switch {
	case errors.Is(err, ErrNoUser):
		return p, session.ErrEnded
	case err != nil:
		return p, err
	case p.Disabled:
		return p, session.ErrEnded
	}
	return p, nil
}

// holds returns session.ErrEnded for a session that does not meet the policy any more: its person has a second factor
// by now, or needs one, and has shown none in this session.
func (k *kindCore) holds(ctx context.Context, p Person, auth session.Authentication) error {
	h, err := head.Get(ctx, k.sessions.Store(), k.pool, p.ID)
	if err != nil {
		return err
	}
	need := Requirement{Factor: h.Due()}
	if k.demand != nil {
		if need, err = k.demand(ctx, p, h, auth); err != nil {
			return err
		}
	}
	if !need.met(auth) {
		return session.ErrEnded
	}
	return nil
}

// due is what a fresh proof of a person needs: the second factors that are due, by the policy too. A factor that the
// person cannot show is not asked for.
func (k *kindCore) due(ctx context.Context, l live, h head.Head) (Requirement, error) {
	need := Requirement{Factor: h.Due()}
	if k.demand == nil || !h.Due() && h.Ways.Passkeys == 0 {
		return need, nil
	}
	p, err := k.users.Get(ctx, l.subject)
	switch {
	case errors.Is(err, ErrNoUser):
		return need, errSignedOut()
	case err != nil:
		return need, unavailableUsers("Users.Get", err)
	}
	return k.demand(ctx, p, h, l.auth)
}

// inBrowser reports whether the answer to a request is a page that a person sees, in a browser that keeps cookies.
func inBrowser(r *http.Request) bool { return !wantsJSON(r) && opensPage(r) }

// writeTokens answers with tokens, as a token endpoint does (RFC 6749 section 5.1).
func writeTokens(w http.ResponseWriter, t session.Tokens) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	h := w.Header()
	httperr.NoStore(h)
	h.Set("Pragma", "no-cache")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
	return nil
}

// fresh reports whether the person of a session proved who they are within maxAge, in a way that counts for changes of
// the account: a password, or a step-up. An earlier sign-in by mail or by a provider does not count, however young it
// is: a thief of the browser can repeat it silently. Of a person who needs a second factor, only that factor counts.
func (a *Auth) fresh(l live, need Requirement, maxAge time.Duration) bool {
	t, now := l.auth.Time, a.sessions.Now()
	if t.IsZero() || t.After(now.Add(time.Minute)) || now.Sub(t) > maxAge {
		return false
	}
	if need.due() || a.factorShown(l.auth.Methods) {
		return a.factorShown(l.auth.Methods)
	}
	return slices.Contains(l.auth.Methods, methodPassword) || slices.Contains(l.auth.Methods, MethodStepUp)
}

const methodPassword = "pwd" // RFC 8176

// MethodStepUp is in the amr of a session whose person proved again who they are, at {base}/step-up.
const MethodStepUp = "stepup"
