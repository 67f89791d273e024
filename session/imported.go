package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/keys"
)

// ImportedConfig describes the session tokens of SST Auth that are let in during a migration. All fields are required,
// except AllowNoExpiry and CookieName.
type ImportedConfig struct {
	// Keys has the key of SST Auth: keys.Ring.Imported, with no other key. Only RS512 is accepted, and no kid.
	Keys keys.Verifier

	// Types are the session types that are accepted: the claim type. A link of SST is a token under the same key with
	// claims that the client chose; Types and Subject keep links out.
	Types []string

	// Subject is where a token has the id of the user, with dots: "properties.userID". It begins with "properties.",
	// because the claims of a link can have any other name. The id must be the one that the user has here.
	Subject string

	// Until is when the migration ends, at most 400 days ahead. From then on every token is refused.
	Until time.Time

	// MaxAge is how long a token is accepted after its iat, in whole seconds, from a minute to 400 days. SST writes
	// tokens that live for ever, unless the program had set expiresIn.
	MaxAge time.Duration

	// AllowNoExpiry accepts tokens without exp, which then end MaxAge after iat.
	//
	// Defaults to false: they are refused.
	AllowNoExpiry bool

	// CookieName is the cookie that may have the token: "auth-token" in SST. A request that changes something must then
	// come from a trusted page, as with the cookie of a [Kind]. In [AnyOf] with the kind, it does not count beside
	// cookies of the kind, whatever they are worth: who has signed in here need not be the person of an old cookie.
	//
	// Defaults to none: the Authorization header alone is read.
	CookieName string
}

// An Imported is a guard for the session tokens of SST Auth, whose key was imported into a ring. Sessions are those of
// its kind, with an empty ID: they are in no store, and cannot be refreshed, listed, or ended one by one.
//
// Each request asks the store and KindConfig.OnRefresh. A token is refused once the user's sessions of the kind were
// ended by a call, or the security of the account has changed (see KindConfig.Pool), ever: nothing in a token shows
// whether it is newer. It is refused for a user whom OnRefresh refuses, so with postern.NewKind for one who is unknown,
// disabled or deleted, and for one who has a second factor or needs one. Properties, Scopes and Roles are those that
// OnRefresh sets, and none of the token.
type Imported[T any] struct {
	kind   *Kind[T]
	config ImportedConfig
	path   []string // of Subject
}

// importedPolicy is what a gate knows of an Imported.
type importedPolicy struct{ cookie string }

// Imported returns a guard for tokens of SST Auth, for [AnyOf] beside the kind itself. The kind needs a store and
// KindConfig.OnRefresh, which is called with an empty session id. The error names the field of c that is wrong.
func (k *Kind[T]) Imported(c ImportedConfig) (*Imported[T], error) {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("session: ImportedConfig."+field+" "+format, args...)
	}
	path := strings.Split(c.Subject, ".")
	switch {
	case k.sessions.store == nil || k.onRefresh == nil:
		return nil, fmt.Errorf("session: kind %q: tokens of SST need session.Config.Store and KindConfig.OnRefresh", k.name)
	case c.Keys == nil:
		return nil, bad("Keys", "is missing: give Imported of the keys.Ring")
	case len(c.Types) == 0:
		return nil, bad("Types", `is missing: list the session types, such as "user"`)
	case len(path) < 2 || len(path) > 5 || path[0] != "properties" || slices.Contains(path, "") || !text.Printable(c.Subject):
		return nil, bad("Subject", `is %.60q: write the path of the user's id, such as "properties.userID"`, c.Subject)
	case c.Until.IsZero():
		return nil, bad("Until", "is missing: a migration has an end")
	case c.Until.After(k.sessions.now().Add(maxAccess)):
		return nil, bad("Until", "is more than 400 days ahead: a migration has an end")
	case c.MaxAge < time.Minute || c.MaxAge > maxAccess || c.MaxAge%time.Second != 0:
		return nil, bad("MaxAge", "is %v; give whole seconds, from a minute to 400 days", c.MaxAge)
	case c.CookieName != "" && ((&http.Cookie{Name: c.CookieName}).Valid() != nil || len(c.CookieName) > 64):
		return nil, bad("CookieName", "is %.80q, which is not a cookie name of at most 64 bytes", c.CookieName)
	}
	for _, name := range c.Types {
		if checkText("", name, 255) != nil || name == public {
			return nil, bad("Types", "has %.60q, which cannot be the type of a session", name)
		}
	}
	c.Types = slices.Clone(c.Types)
	return &Imported[T]{k, c, path}, nil
}

// Verify checks a token of SST Auth and the user whom it names, and returns a session of the kind. Issued is iat, and
// Expires the earliest of exp, iat with MaxAge, and Until. Authentication is zero, so Fresh and AuthMethod are not met.
// Errors as [Kind.Verify].
func (i *Imported[T]) Verify(ctx context.Context, token string) (*Session[T], error) {
	s := i.kind.sessions
	tok, _, err := open(ctx, token, "", i.config.Keys, []keys.Algorithm{keys.RS512})
	if err != nil {
		return nil, err
	}
	switch {
	case tok.Typ != "" && !jose.HasType(tok.Typ, "JWT"):
		return nil, errType
	case tok.Kid != "": // SST names none; with several imported keys, the owner of another one would choose it
		return nil, errUnknownKey
	}
	subject, at, err := i.read(tok.Payload, s.now())
	if err != nil {
		return nil, err
	}
	return i.session(ctx, subject, at)
}

// read checks the claims of a token, and returns its user and its times.
func (i *Imported[T]) read(payload string, now time.Time) (subject string, at times, err error) {
	var kind, properties string
	var haveIssued, haveExpires bool
	err = jose.FoldedObject(payload, func(name, value string) (err error) {
		switch name {
		case "iss", "aud":
			return refuse(errClaims, "iss or aud is there, which no session of SST Auth has")
		case "type":
			kind, err = jose.String(value)
		case "properties":
			properties = value
		case "iat":
			at.issued, err = jose.NumericDate(value)
			haveIssued = true
		case "exp":
			at.expires, err = jose.NumericDate(value)
			haveExpires = true
		case "nbf":
			at.notBefore, err = jose.NumericDate(value)
		}
		if err != nil {
			return refuse(errClaims, wrongClaim(name))
		}
		return nil
	})
	switch {
	case errors.Is(err, errClaims):
		return "", at, err
	case err != nil:
		return "", at, refuseFor(errMalformed, err)
	case !slices.Contains(i.config.Types, kind):
		return "", at, ErrKind
	case !haveIssued:
		return "", at, refuse(errClaims, "iat is missing")
	case !haveExpires && !i.config.AllowNoExpiry:
		return "", at, refuse(errClaims, "exp is missing")
	}
	if err := i.checkTimes(&at, haveExpires, now); err != nil {
		return "", at, err
	}
	subject, err = subjectAt(properties, i.path[1:])
	return subject, at, err
}

// checkTimes sets the end of a token, and checks it. Without exp it ends by its age.
func (i *Imported[T]) checkTimes(at *times, haveExpires bool, now time.Time) error {
	s := i.kind.sessions
	oldest := at.issued.Add(i.config.MaxAge)
	switch {
	case !now.Before(i.config.Until):
		return refuse(errTooLate, "the migration has ended")
	case !now.Before(oldest):
		return refuse(errTooLate, "it is older than the migration allows")
	case !s.notBefore.IsZero() && at.issued.Before(s.notBefore.Truncate(time.Second)):
		return errTooOld
	}
	if !haveExpires {
		at.expires = oldest
	}
	if err := at.check(now, s.leeway); err != nil {
		return err
	}
	for _, end := range []time.Time{oldest, i.config.Until} {
		if end.Before(at.expires) {
			at.expires = end
		}
	}
	return nil
}

// subjectAt returns the text at a path of a JSON object.
func subjectAt(value string, path []string) (string, error) {
	for _, want := range path {
		found, object := "", value
		value = ""
		if !strings.HasPrefix(object, "{") || jose.FoldedObject(object, func(name, inner string) error {
			if name == want {
				found = inner
			}
			return nil
		}) != nil {
			return "", refuse(errClaims, "properties do not have the user's id")
		}
		value = found
	}
	subject, err := jose.String(value)
	if err != nil || checkText("", subject, 255) != nil {
		return "", refuse(errClaims, "the user's id is not a text without control characters")
	}
	return subject, nil
}

// session asks the store and OnRefresh about the user of a token, and makes a session of the answer.
func (i *Imported[T]) session(ctx context.Context, subject string, at times) (*Session[T], error) {
	k := i.kind
	u, err := k.loadSubject(ctx, subject)
	switch {
	case err != nil:
		return nil, err
	case u.head.Gone != "":
		return nil, errGone
	case u.epoch.number != 0 || u.head.Sec != 0:
		return nil, errMoved
	}
	g := Grant[T]{Subject: subject}
	if err := k.refreshed(ctx, "", &g); errors.Is(err, ErrEnded) {
		return nil, refuseFor(ErrEnded, err)
	} else if err != nil {
		return nil, k.sessions.unavailable(ctx, "user", err)
	}
	g.Subject = subject
	if _, err := encodeGrant(g); err != nil { // a role that a token could not have is none here either
		return nil, k.sessions.unavailable(ctx, "user", err)
	}
	return &Session[T]{
		Kind: k.name, Subject: subject, Properties: g.Properties, Scopes: g.Scopes, Roles: g.Roles,
		Issued: at.issued, Expires: at.expires, rights: u.head.Rights,
	}, nil
}

// Require lets requests with a token of SST Auth through to next; see [Guard]. Kind.From returns the session.
func (i *Imported[T]) Require(next http.Handler, needs ...Need) http.Handler {
	return i.gates().Require(next, needs...)
}

// Optional lets requests without a token through as well; see [Guard].
func (i *Imported[T]) Optional(next http.Handler, needs ...Need) http.Handler {
	return i.gates().Optional(next, needs...)
}

// With returns a guard with these needs, for [AnyOf]. CheckStore adds nothing: the store is always asked. The needs of
// a Claim do not fit, because the store has no claims of such a session.
func (i *Imported[T]) With(needs ...Need) Guard { return i.gates().with(needs) }

func (i *Imported[T]) gates() guard {
	k := i.kind
	g := *k.gates()[0]
	g.imported, g.stored = &importedPolicy{i.config.CookieName}, false
	g.recall = func(context.Context, string) checkedSession { return nil }
	g.verify = func(ctx context.Context, token string) (checkedSession, error) { return i.Verify(ctx, token) }
	g.accept = func([]byte) (checkedSession, error) {
		return nil, ErrKind // no other program verifies tokens of SST
	}
	return guard{&g}
}

// passImportedCookie is passCookie for the cookie of SST. Nothing is refreshed.
func (g *gate) passImportedCookie(r *http.Request) (checkedSession, error) {
	if g.imported.cookie == "" {
		return nil, ErrMissing
	}
	token, err := cookie(r.Header, g.imported.cookie)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, ErrMissing
	}
	if err := g.policy.sessions.checkOrigin(r); err != nil {
		return nil, err
	}
	s, _, err := guard{g}.passToken(r.Context(), token, nil)
	return s, err
}
