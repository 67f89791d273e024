package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// An Inspector decides as its [Guard] does, for programs that answer otherwise than over HTTP: Lambda authorizers,
// interceptors of RPCs. It refreshes nothing. It is safe for concurrent use.
type Inspector struct {
	base   guard
	routes [][]*gate // of each list of needs, the gates of base with them
}

// A Verdict is what an [Inspector] found out about a token that is good.
type Verdict struct {
	// Session is the session. Its Properties are JSON; Claims are the whole payload of a Foreign session, and of a Kind's
	// the object that the methods of a [KindClaim] read, if it has one.
	Session *Session[json.RawMessage]

	Issuer   string // iss of the token
	Audience string // the one the guard asked for; empty if it asked for none
	Foreign  bool   // the session is of a [Foreign]
	Cookie   bool   // the browser sent the token, by itself

	// Unmet has an entry for each list of needs: nil if the session meets them, an [ErrNeed] if not.
	Unmet []error
}

// Inspect prepares a guard to be asked outside of HTTP. routes are the needs of several routes, which one token is then
// held to at once. As with Require, a need that does not fit the guard is a panic.
func Inspect(g Guard, routes ...[]Need) *Inspector {
	if g == nil {
		panic("session: Inspect of a nil guard")
	}
	i := &Inspector{base: g.gates().with(nil)}
	for _, needs := range routes {
		i.routes = append(i.routes, g.gates().with(needs))
	}
	for n, gate := range i.base {
		gate.enter = func(ctx context.Context, f facts) context.Context {
			return context.WithValue(ctx, inspectKey{}, inspected{n, f})
		}
	}
	return i
}

type inspectKey struct{}

type inspected struct {
	gate int
	facts
}

// Request looks for a token where the guard does, in the method and header of r; the rest of r is not read. Errors are
// those of the guard: ErrMissing, ErrDuplicate, ErrCrossOrigin, an ErrNeed for needs of the guard itself, and those of
// [Kind.Verify].
func (i *Inspector) Request(r *http.Request) (*Verdict, error) {
	in, src, err := i.base.pass(nil, r)
	if err != nil {
		return nil, err
	}
	return i.verdict(in.Context(), src == fromCookie)
}

// Token is Request for a token that came another way. Errors as Request.
func (i *Inspector) Token(ctx context.Context, token string) (*Verdict, error) {
	in, err := i.base.passToken(ctx, token, nil)
	if err != nil {
		return nil, err
	}
	return i.verdict(in, false)
}

// verdict holds a session that the guard let in to the needs of all routes.
func (i *Inspector) verdict(ctx context.Context, cookie bool) (*Verdict, error) {
	in := ctx.Value(inspectKey{}).(inspected)
	gate := i.base[in.gate]
	v := &Verdict{Issuer: gate.issuer, Audience: gate.audience, Foreign: gate.policy == nil, Cookie: cookie, Unmet: make([]error, len(i.routes))}
	alive := gate.stored // the guard has asked
	for n, route := range i.routes {
		g := route[in.gate]
		if g.stored && !alive {
			if err := g.askStore(ctx, in.facts); err != nil {
				return nil, err // a session that has ended is good for no route
			}
			alive = true
		}
		err := g.meet(ctx, in.facts, nil)
		if err != nil && !errors.Is(err, ErrNeed) {
			return nil, err
		}
		v.Unmet[n] = err
	}
	var err error
	v.Session, err = in.session.(typeless).plain()
	return v, err
}

// Explain tells how the guard would answer an error over HTTP: the status, the word for it in the body, and the body.
// It logs as the guard would, too.
func (i *Inspector) Explain(ctx context.Context, err error) (status int, code string, body []byte) {
	w := &explained{header: http.Header{}}
	i.base.answer(w, (&http.Request{}).WithContext(ctx), err)
	var told struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(w.body, &told) // it is ours
	return w.status, told.Error, w.body
}

// explained keeps an answer.
type explained struct {
	header http.Header
	status int
	body   []byte
}

func (w *explained) Header() http.Header    { return w.header }
func (w *explained) WriteHeader(status int) { w.status = status }
func (w *explained) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// typeless is a Session, of whatever type.
type typeless interface {
	plain() (*Session[json.RawMessage], error)
}

func (s *Session[T]) plain() (*Session[json.RawMessage], error) {
	out := &Session[json.RawMessage]{
		ID: s.ID, TokenID: s.TokenID, Kind: s.Kind, Subject: s.Subject, ClientID: s.ClientID,
		Scopes: s.Scopes, Roles: s.Roles, Auth: s.Auth, Issued: s.Issued, Expires: s.Expires, Claims: s.Claims,
	}
	if s.Claims != nil { // of a Foreign: T may know less than the payload says
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
