package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// SignOut signs this browser out: it ends, in the store, the sessions that the cookies and the Bearer token of the
// request belong to, and clears the cookies of every kind. A copy of an access token made before lives on until it
// expires, but where a guard asks [CheckStore].
//
// The error is ErrCrossOrigin if a page of an origin that is not trusted sent the request, ErrUnavailable if the store
// could not be had, ErrStoreRequired or ErrNoSigner if this program lacks what it takes to end a session of the request.
// Nothing is cleared then: the person is still signed in, and must be able to try again.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request) error {
	if s.cross.Check(r) != nil {
		return ErrCrossOrigin
	}
	bearing, _, _ := bearer(r.Header)
	for _, p := range s.policies() {
		if err := p.endCarried(r, bearing, endSignOut); err != nil {
			return err
		}
	}
	for _, p := range s.policies() {
		p.clearCookies(w)
	}
	return nil
}

// SignOutEverywhere ends all sessions of the person whose session the request carries, of that kind, and clears the
// cookies of this browser. Errors as SignOut, and one that says why if there is no live session in the request.
func (s *Sessions) SignOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	who, err := s.caller(w, r)
	if err != nil {
		return err
	}
	if err := who.kind.revokeSubject(r.Context(), who.subject); err != nil {
		return err
	}
	for _, p := range s.policies() {
		p.clearCookies(w)
	}
	return nil
}

// endCarried ends the sessions of a kind that the cookies of a request belong to, and that of one more access token. Of
// several cookies of a name, which guards refuse, each counts: to end a session takes no more than its token.
func (p *policy) endCarried(r *http.Request, bearing, why string) error {
	s, ctx := p.sessions, r.Context()
	ids := map[string]string{} // and their subjects
	for _, token := range append(cookies(r.Header, p.cookie), bearing) {
		who, err := (&Kind[json.RawMessage]{policy: p}).verify(ctx, token)
		if errors.Is(err, ErrUnavailable) {
			return err
		}
		if err == nil {
			ids[who.ID] = who.Subject
		}
	}
	if p.stateless {
		for id, subject := range ids {
			s.Emit(ctx, Event{Name: "session ended", Reason: why, Kind: p.name, Subject: subject, SessionID: id})
		}
		return nil
	}
	for _, token := range cookies(r.Header, p.cookie+refreshSuffix) {
		id, err := p.owner(ctx, token)
		if err != nil {
			return err
		}
		if id != "" {
			ids[id] = ""
		}
	}
	for id := range ids {
		if err := s.revoke(ctx, id, why); err != nil {
			return err
		}
	}
	return nil
}

// owner returns the id of the session of the kind that a refresh token, new or old, was given to; empty if it is none of ours.
func (p *policy) owner(ctx context.Context, token string) (string, error) {
	s := p.sessions
	t, ok := parseTicket(token)
	if !ok {
		return "", nil
	}
	if err := s.canEnd(); err != nil {
		return "", err
	}
	if s.secrets == nil {
		return "", errNoSecrets
	}
	if err := s.known(ctx, t); err != nil {
		if errors.Is(err, ErrRefresh) {
			err = nil
		}
		return "", err
	}
	k, err := s.load(ctx, t.id)
	if err != nil || !k.found() || k.Kind != p.name {
		return "", err
	}
	switch err := s.prove(ctx, t, k.Salt); {
	case errors.Is(err, ErrRefresh):
		return "", nil
	case err != nil:
		return "", err
	}
	return k.id, nil
}

// serveSignOut is POST {base}/signout. It answers 204 to scripts, and leads people who pressed a button to "/".
func (s *Sessions) serveSignOut(w http.ResponseWriter, r *http.Request) {
	s.answerSignOut(w, r, s.SignOut)
}

// serveSignOutEverywhere is POST {base}/signout/everywhere.
func (s *Sessions) serveSignOutEverywhere(w http.ResponseWriter, r *http.Request) {
	s.answerSignOut(w, r, s.SignOutEverywhere)
}

func (s *Sessions) answerSignOut(w http.ResponseWriter, r *http.Request, signOut func(http.ResponseWriter, *http.Request) error) {
	if !plainPost(w, r) {
		return
	}
	if err := signOut(w, r); err != nil {
		s.refuse(w, r, err)
		return
	}
	if httperr.MediaType(r) == "application/x-www-form-urlencoded" && strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Location", s.origin+"/")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// plainPost looks at the type of a body, which is not read: text/plain is what a page of any origin can send without
// asking. It answers what it does not let through.
func plainPost(w http.ResponseWriter, r *http.Request) bool {
	switch media := httperr.MediaType(r); {
	case media == "application/json" || media == "application/x-www-form-urlencoded":
	case r.Header.Get("Content-Type") == "" && r.ContentLength == 0:
	default:
		httperr.Write(w, http.StatusUnsupportedMediaType, "invalid_request", "send application/json, a form or no body")
		return false
	}
	return true
}
