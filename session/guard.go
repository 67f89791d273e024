package session

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// A Guard checks requests. A [Kind] is one, an [External] and an [Imported] are, and so is each of them with needs, and
// [AnyOf] several.
//
// Require calls next for a request with a valid session that meets all needs; next reads it by From. Any other request
// gets one JSON error:
//
//	400  two tokens in one place
//	401  no valid token, with WWW-Authenticate (RFC 6750); or a newer or stronger sign-in is needed (RFC 9470)
//	403  needs are not met, with the list of them; or a page of another origin sent the cookie
//	431  the headers that may hold a token are too large; the answer removes cookies of unfinished sign-ins
//	503  the keys, or the store where it is needed, are unavailable, with Retry-After
//
// Optional lets signed-out people in as well: From then returns the public session. A token in the Authorization
// header that is not valid is refused all the same, because its sender must learn of it. A cookie that is not valid
// is ignored: people do not choose what their browser sends, and an old cookie must not lock them out of public
// pages. Needs are checked for the signed-in only.
type Guard interface {
	Require(next http.Handler, needs ...Need) http.Handler
	Optional(next http.Handler, needs ...Need) http.Handler
	gates() guard
}

// A gate checks one kind of token. T appears at its two ends alone: in verify and in enter.
type gate struct {
	issuer, audience string

	policy   *policy         // of a Kind: its cookie, its name; nil: only Authorization is read
	imported *importedPolicy // of an Imported; nil: the gate is none
	needs    []need
	claims   []ClaimNeed
	stored   bool // the store is asked, too
	anyPath  bool // of ForwardAuth: ambiguous paths are let through
	empty    any  // a nil *Session[T], for its type
	now      func() time.Time
	log      *slog.Logger
	recall   func(ctx context.Context, token string) checkedSession // a token that was verified before; nil: not known
	verify   func(ctx context.Context, token string) (checkedSession, error)
	enter    func(context.Context, checkedSession) context.Context

	// Of GuardVerifiedClaims; nil: the request is asked for its token.
	verifiedClaims func(*http.Request) (claims []byte, cookie bool, err error)
	accept         func(claims []byte) (checkedSession, error)
}

// A checkedSession is a *Session[T] of any T, as gates and needs see it.
type checkedSession interface {
	common() common
	setClaims(text string)
	plain() (*Session[json.RawMessage], error)
}

// common is the part of a session that does not depend on T.
type common struct {
	id, kind, subject string
	scopes, roles     []string
	auth              Authentication
	issued, expires   time.Time
	claims            string
	rights            int64
	actor             string
}

func (s *Session[T]) common() common {
	return common{s.ID, s.Kind, s.Subject, s.Scopes, s.Roles, s.Authentication, s.Issued, s.Expires, s.claims, s.rights, s.Actor}
}

// RightsVersion returns the claim rights_version: how often the roles of the user had changed when the token was made,
// for a kind with a Pool. A program that passes the claims of a token on must pass this one too, or a CheckStore behind
// it refuses the token.
func (s *Session[T]) RightsVersion() int64 { return s.rights }

func (s *Session[T]) setClaims(text string) { s.claims = text }

// plain returns s with its properties as JSON.
func (s *Session[T]) plain() (*Session[json.RawMessage], error) {
	out := &Session[json.RawMessage]{
		ID: s.ID, TokenID: s.TokenID, Kind: s.Kind, Subject: s.Subject, Actor: s.Actor, ClientID: s.ClientID,
		Scopes: s.Scopes, Roles: s.Roles, Authentication: s.Authentication, Issued: s.Issued, Expires: s.Expires, Claims: s.Claims,
		rights: s.rights,
	}
	if s.Claims != nil { // of an External: T may hold less than the payload
		out.Properties = s.Claims
		return out, nil
	}
	if s.claims != "" {
		out.Claims = json.RawMessage(s.claims)
	}
	var err error
	out.Properties, err = encodeProperties(s.Properties)
	return out, err
}

// A guard is several gates, any of which may let a request in.
type guard []*gate

func (g guard) gates() guard { return g }

// AnyOf is a guard for requests with a token of any of several guards. The issuer and kind of the token decide which
// guard checks it. The session must then meet the needs that With gave that guard, and those of the route.
func AnyOf(guards ...Guard) Guard {
	var all guard
	for _, g := range guards {
		if g == nil {
			panic("session: AnyOf of a nil guard")
		}
		all = append(all, g.gates()...)
	}
	if len(all) == 0 {
		panic("session: AnyOf needs a guard")
	}
	for _, gate := range all {
		if (gate.verifiedClaims == nil) != (all[0].verifiedClaims == nil) {
			panic("session: AnyOf of a guard of GuardVerifiedClaims and one that verifies tokens; give each its own routes")
		}
	}
	return all
}

func (g guard) Require(next http.Handler, needs ...Need) http.Handler {
	return g.with(needs).handler(next, false)
}

func (g guard) Optional(next http.Handler, needs ...Need) http.Handler {
	return g.with(needs).handler(next, true)
}

// with returns the guard with more needs. The gates of g stay as they are, and share nothing with those of the result
// that a later call could write to: routes are made from one guard.
func (g guard) with(needs []Need) guard {
	out := make(guard, len(g))
	for i, old := range g {
		more := *old
		more.needs, more.claims = slices.Clip(old.needs), slices.Clip(old.claims)
		for _, n := range needs {
			more.add(n)
		}
		out[i] = &more
	}
	return out
}

func (g guard) handler(next http.Handler, optional bool) http.Handler {
	if next == nil {
		panic("session: a guard of a nil handler")
	}
	cookies := false
	for _, gate := range g {
		cookies = cookies || gate.policy != nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := len(w.Header()["Set-Cookie"])
		if cookies { // no cache may give one person's page to another (RFC 9111 section 4.1; Authorization has section 3.5)
			w.Header().Add("Vary", "Cookie")
		}
		in, err := g.pass(w, r)
		if len(w.Header()["Set-Cookie"]) > set {
			w = private{w}
			defer httperr.NoStore(w.Header()) // if the handler writes nothing, the server sends the header after it
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, in.request.WithContext(in.gate.enter(in.request.Context(), in.session)))
		case optional && passable(in.from, err):
			next.ServeHTTP(w, in.request)
		default:
			g.answer(w, r, err)
		}
	})
}
