package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// An Inspector decides as its [Guard] does, for programs that do not answer over HTTP, such as Lambda authorizers and
// interceptors of RPCs. It refreshes nothing. It is safe for concurrent use.
type Inspector struct {
	base   guard
	routes [][]*gate // of each list of needs, the gates of base with them
}

// A Verdict is the result of an [Inspector] for a good token.
type Verdict struct {
	// Session is the session, with Properties as JSON. Claims are the whole payload if it is of an External. If it is
	// of a Kind, they are the object that the methods of a [Claim] read, or nil.
	Session *Session[json.RawMessage]

	Issuer   string // iss of the token
	Audience string // that the guard requires; empty if it requires none
	External bool   // the session is of an External
	Cookie   bool   // the browser sent the token as a cookie

	// Unmet has an entry for each list of needs: nil if the session meets them, an [ErrNeed] if not.
	Unmet []error
}

// Inspect returns an Inspector of a guard. routes are the needs of several routes; each token is checked against all of
// them at once. As with Require, a need that does not fit the guard panics.
func Inspect(g Guard, routes ...[]Need) *Inspector {
	if g == nil {
		panic("session: Inspect of a nil guard")
	}
	i := &Inspector{base: g.gates().with(nil)}
	for _, needs := range routes {
		i.routes = append(i.routes, g.gates().with(needs))
	}
	return i
}

// Request checks the token of a request, which it looks for where the guard does. Only the method and the header of r
// are read. The error is ErrMissing, ErrDuplicate, ErrCrossOrigin, an ErrNeed for needs of the guard itself, or one
// of [Kind.Verify].
func (i *Inspector) Request(r *http.Request) (*Verdict, error) {
	in, err := i.base.pass(nil, r)
	if err != nil {
		return nil, err
	}
	return i.verdict(r.Context(), in)
}

// Token checks a token that did not come in a request. Errors as Request.
func (i *Inspector) Token(ctx context.Context, token string) (*Verdict, error) {
	s, gate, err := i.base.passToken(ctx, token, nil)
	if err != nil {
		return nil, err
	}
	return i.verdict(ctx, admission{session: s, gate: gate})
}

// verdict checks an admitted session against the needs of all routes.
func (i *Inspector) verdict(ctx context.Context, in admission) (*Verdict, error) {
	v := &Verdict{
		Issuer: in.gate.issuer, Audience: in.gate.audience, External: in.gate.policy == nil, Cookie: in.from == fromCookie,
		Unmet: make([]error, len(i.routes)),
	}
	nth := slices.Index(i.base, in.gate)
	alive := in.gate.stored // the guard has asked
	for n, route := range i.routes {
		g := route[nth]
		if g.stored && !alive {
			if err := g.askStore(ctx, in.session); err != nil {
				return nil, err // a session that has ended is good for no route
			}
			alive = true
		}
		err := g.meet(ctx, in.session, nil)
		if err != nil && !errors.Is(err, ErrNeed) {
			return nil, err
		}
		v.Unmet[n] = err
	}
	var err error
	v.Session, err = in.session.plain()
	return v, err
}

// Explain returns the answer of the guard for an error: the status, the code in the body, and the body. It also
// writes the line to the log that the guard would write.
func (i *Inspector) Explain(ctx context.Context, err error) (status int, code string, body []byte) {
	w := &explained{header: http.Header{}}
	i.base.answer(w, (&http.Request{}).WithContext(ctx), err)
	var told struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(w.body, &told) // it is ours
	return w.status, told.Error, w.body
}

// explained records an answer.
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
