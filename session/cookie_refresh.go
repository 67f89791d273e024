package session

import (
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// renewable reports whether a newer token of the same session could pass after this error. That includes tokens that do
// not verify at all: cookies outlive the keys that signed them.
func renewable(err error) bool {
	for _, final := range []error{ErrNeed, ErrUnavailable, ErrEnded, ErrCrossOrigin, ErrDuplicate, errHeaderTooLarge} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// renewCookie refreshes the session of a request by its cookie, before the handler runs, and sets both cookies. found
// is false if there was no such cookie.
//
// It refreshes nothing for a WebSocket, because the program that takes over the connection writes its headers, and the
// new cookies would be lost; nor without w.
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
	t, err = s.refresh(s.withClient(r), token, p, nil)
	switch {
	case errors.Is(err, ErrReuse):
		// These cookies are dead. After other refusals they stay: the answer may overtake that of a new sign-in.
		p.clearCookies(w)
	case err == nil:
		p.setCookies(w, t)
	}
	return t, true, err
}

// cookieSetter returns the giver for the browser of a request; nil if no cookie can be set.
func (p *policy) cookieSetter(w http.ResponseWriter, r *http.Request) func(Tokens) {
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

func (p *policy) carriesAccess(r *http.Request) bool {
	token, err := cookie(r.Header, p.cookie)
	return token != "" || err != nil
}

// private keeps an answer with cookies out of caches, whatever header the handler sets.
type private struct{ http.ResponseWriter }

func (w private) WriteHeader(status int) {
	httperr.NoStore(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w private) Write(b []byte) (int, error) {
	httperr.NoStore(w.Header())
	return w.ResponseWriter.Write(b)
}

// Flush is for handlers that use http.Flusher instead of http.ResponseController.
func (w private) Flush() {
	httperr.NoStore(w.Header())
	_ = http.NewResponseController(w.ResponseWriter).Flush() // not supported: nothing to flush
}

func (w private) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serveRefresh is POST {base}/refresh. It renews the cookies of every kind in the request, and answers with the life of
// the access token. If none can be renewed it answers with the reason. Cookies that can never be renewed are cleared.
func (s *Sessions) serveRefresh(w http.ResponseWriter, r *http.Request) {
	if s.canKeep() != nil {
		httperr.Write(w, http.StatusNotFound, "not_found", "this program refreshes nothing")
		return
	}
	if !plainPost(w, r) {
		return
	}
	err := error(ErrMissing)
	if s.cross.Check(r) != nil {
		s.refuse(w, r, ErrCrossOrigin)
		return
	}
	var soonest time.Time
	var limited error
	for _, p := range s.policies() {
		t, found, why := p.renewCounted(w, r)
		if errors.Is(why, errUnknownSecret) {
			token, _ := cookie(r.Header, p.cookie+refreshSuffix)
			presented, _ := parseRefreshToken(token)
			if why = s.unproven(r.Context(), presented, why); costly(why) {
				why = &countedError{why, s.countForged(r)}
			}
		}
		if denied := limitOf(why); denied != nil {
			limited = denied
		}
		switch {
		case why == nil && found:
			if soonest.IsZero() || t.Expires.Before(soonest) {
				soonest = t.Expires
			}
		case errors.Is(why, ErrRefresh), errors.Is(why, ErrEnded), errors.Is(why, ErrKind):
			p.clearCookies(w)
			err = moreTelling(err, why)
		case why != nil:
			err = moreTelling(err, why)
		}
	}
	if soonest.IsZero() {
		if answerLimit(w, limited) {
			return
		}
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]int64{"expires_in": max(0, int64(soonest.Sub(s.now())/time.Second))})
}
