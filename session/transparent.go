package session

import (
	"context"
	"errors"
	"net/http"

	"github.com/posternauth/postern/internal/httperr"
)

// renewable reports whether a newer token of the same session could get through where this one did not. A token that
// does not verify at all counts: cookies outlive the keys they were signed with.
func renewable(err error) bool {
	for _, final := range []error{ErrNeed, ErrUnavailable, ErrEnded, ErrCrossOrigin, ErrDuplicate} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// renewCookie refreshes the session of a request by its cookie, before the handler runs, and sets both cookies. found
// tells whether there was a cookie to try.
//
// Not for a WebSocket: what takes the connection over writes its own headers, and the answer would be lost. Nor where w
// is nil, which says the same of another kind of answer.
func (p *policy) renewCookie(w http.ResponseWriter, r *http.Request) (t Tokens, found bool, err error) {
	s := p.sessions
	if p.stateless {
		return t, false, nil
	}
	token, err := cookie(r.Header, p.cookie+refreshSuffix)
	if err != nil || token == "" {
		return t, err != nil, err
	}
	if s.canKeep() != nil || w == nil || webSocket(r) {
		return t, true, errRefreshFirst
	}
	t, _, err = s.refresh(r.Context(), token, p, nil)
	switch {
	case errors.Is(err, ErrReuse):
		// Nobody can use these any more. On other refusals they stay: the answer may overtake that of a new sign-in.
		p.clearCookies(w)
	case err == nil:
		p.setCookies(w, t)
	}
	return t, true, err
}

// giver returns what hands a new access token to the browser of a request; nil if that cannot be done.
func (p *policy) giver(w http.ResponseWriter, r *http.Request) func(Tokens) {
	if w == nil || webSocket(r) {
		return nil
	}
	return func(t Tokens) { p.setCookies(w, t) }
}

var errRefreshFirst = refuse(ErrExpired, "refresh it first")

func (p *policy) carriesRefresh(r *http.Request) bool {
	if p.stateless {
		return false
	}
	token, err := cookie(r.Header, p.cookie+refreshSuffix)
	return token != "" || err != nil
}

// private keeps an answer that carries cookies out of caches, whatever the handler says about it.
type private struct{ http.ResponseWriter }

func (w private) WriteHeader(status int) {
	httperr.NoStore(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w private) Write(b []byte) (int, error) {
	httperr.NoStore(w.Header())
	return w.ResponseWriter.Write(b)
}

// Flush is here for those who look for http.Flusher instead of asking http.ResponseController.
func (w private) Flush() {
	httperr.NoStore(w.Header())
	_ = http.NewResponseController(w.ResponseWriter).Flush() // not supported: nothing to flush
}

func (w private) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// passRenewed lets a request in whose session was refreshed.
func (g *gate) passRenewed(ctx context.Context, t Tokens, give func(Tokens)) (context.Context, error) {
	return guard{g}.passToken(ctx, t.Access, give)
}
