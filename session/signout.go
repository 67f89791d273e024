package session

import (
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// SignOut signs this browser out: it ends, in the store, the sessions that the cookies and the Bearer token of the
// request belong to, and clears the cookies of every kind. A token that has expired will do, and so will a refresh token
// as Bearer: to end a session takes no more than a token of it. A copy of an access token made before lives on until it
// expires, but where a guard asks [CheckStore].
//
// The error is ErrCrossOrigin if a page of an origin that is not trusted sent the request, ErrUnavailable if the store
// could not be had, ErrStoreRequired or ErrNoSigner if this program lacks what it takes to end a session of the request.
// Nothing is cleared then: the person is still signed in, and must be able to try again.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request) error {
	if s.cross.Check(r) != nil {
		return ErrCrossOrigin
	}
	if token, found, err := bearer(r.Header); found && err == nil {
		c, ok, err := s.carriedBy(r.Context(), token)
		if err == nil && ok {
			err = s.endOf(r.Context(), c, endSignOut)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range s.policies() {
		if err := p.endCarried(r, endSignOut); err != nil {
			return err
		}
	}
	for _, p := range s.policies() {
		p.clearCookies(w)
	}
	return nil
}

// SignOutEverywhere ends all sessions of the person whose live session the request carries, of that kind; and by cookies,
// those of every kind that this browser is signed in to. Then it clears its cookies, having ended what else they belong
// to. Where there is a Bearer token, it alone counts, and only cookies of its kind are cleared.
//
// Errors as SignOut, and one that says why if there is no live session in the request. Of several kinds some may have
// been ended already when the store fails; to try again does the rest.
func (s *Sessions) SignOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	all, byCookie, err := s.callers(w, r)
	if err != nil {
		return err
	}
	asked := map[*policy]bool{}
	for _, who := range all {
		if err := who.kind.revokeSubject(r.Context(), who.subject); err != nil {
			return err
		}
		asked[who.kind] = true
	}
	var cleared []*policy
	for _, p := range s.policies() {
		if byCookie && !asked[p] { // expired, say: no proof of a live session, but its cookies go, and it must not outlive them
			if err := p.endCarried(r, endSignOut); err != nil {
				return err
			}
		}
		if byCookie || asked[p] {
			cleared = append(cleared, p)
		}
	}
	for _, p := range cleared {
		p.clearCookies(w)
	}
	return nil
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
