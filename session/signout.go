package session

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// SignOut signs this browser out: it clears the cookies of every kind, whether or not the request carries them. A copy
// of a token made before lives on until it expires. The error is ErrCrossOrigin, and nothing is cleared, if a page of
// an origin that is not trusted sent the request.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request) error {
	if s.cross.Check(r) != nil {
		return ErrCrossOrigin
	}
	httperr.NoStore(w.Header())
	for _, p := range s.policies() {
		w.Header().Add("Set-Cookie", s.setCookie(p, ""))
		p.tellSignOut(r)
	}
	return nil
}

// tellSignOut emits an event for a session that the request carries a valid cookie of.
func (p *policy) tellSignOut(r *http.Request) {
	s := p.sessions
	if s.onEvent == nil {
		return
	}
	token, err := cookie(r.Header, p.cookie)
	if err != nil || token == "" {
		return
	}
	if who, err := (&Kind[json.RawMessage]{policy: p}).Verify(r.Context(), token); err == nil {
		s.Emit(r.Context(), Event{Name: "sign-out", Kind: p.name, Subject: who.Subject, SessionID: who.ID})
	}
}

// serveSignOut is POST {base}/signout. It answers 204 to scripts, and leads people who pressed a button to "/".
func (s *Sessions) serveSignOut(w http.ResponseWriter, r *http.Request) {
	media := httperr.MediaType(r)
	// A body is not read. Its type is looked at, because text/plain is what a page of any origin can send without asking.
	switch {
	case media == "application/json" || media == "application/x-www-form-urlencoded":
	case r.Header.Get("Content-Type") == "" && r.ContentLength == 0:
	default:
		httperr.Write(w, http.StatusUnsupportedMediaType, "invalid_request", "send application/json, a form or no body")
		return
	}
	if err := s.SignOut(w, r); err != nil {
		httperr.Write(w, http.StatusForbidden, "cross_origin", publicText(err))
		return
	}
	if media == "application/x-www-form-urlencoded" && strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Location", s.own+"/")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
