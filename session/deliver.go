package session

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/returnto"
)

// Cookie creates a session, sets its cookies and redirects (303) to ret with the state that the application sent. A
// client that accepts application/json and not text/html gets 200 {"redirect_uri":"..."} in place of the redirect.
//
// The cookie of the access token is HttpOnly, Secure, SameSite=Lax (None with origins of other sites), has Path=/ and
// no Domain, and lives as long as the token. The refresh token has a second cookie, which guards read and renew.
//
// If the request has cookies of an earlier session of the kind, that session is ended first (OWASP ASVS 7.2.4), so that
// a planted or copied session has no part in the new one.
//
// The errors are those of [Kind.Create], ErrUnavailable if the earlier session cannot be ended, and ErrReturn if ret
// is zero. After an error nothing was written to w.
func (k *Kind[T]) Cookie(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	t, err := deliver(k, r, g, ret, true)
	if err != nil {
		return err
	}
	k.setCookies(w, t)
	return redirect(w, r, ret)
}

// Parameter creates a session and redirects (303) to ret with the access token in the query parameter "token", as SST
// Auth does.
//
// If you can change the application, use [Kind.Code] or [Kind.Cookie] instead. A token in a URL stays in the browser's
// history, in the logs of servers and proxies, and in the Referer of the page's first requests. Anybody who reads it
// there is signed in until it expires. The client gets no refresh token, so it is signed out when the access token
// expires. The errors are those of Cookie.
func (k *Kind[T]) Parameter(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	t, err := deliver(k, r, g, ret, false)
	if err != nil {
		return err
	}
	return redirect(w, r, ret, "token", t.Access)
}

func deliver[T any](k *Kind[T], r *http.Request, g Grant[T], ret Return, replaces bool) (Tokens, error) {
	if _, err := back(ret); err != nil { // before a session is created
		return Tokens{}, err
	}
	b, err := encodeGrant(g)
	if err != nil {
		return Tokens{}, err
	}
	var old record
	if replaces && !k.stateless {
		if old, err = k.endBefore(r, b.subject); err != nil {
			return Tokens{}, err
		}
	}
	return k.create(k.sessions.withClient(r), b.from(r, ret), k.sessions.clientID, old)
}

// endBefore ends the sessions of the cookies of a request, in which a subject signs in. It returns the one of the same
// subject that is paired with sessions of applications, if there is one, as it was before.
func (p *policy) endBefore(r *http.Request, subject string) (old record, err error) {
	if err := p.sessions.canKeep(); err != nil {
		return old, err
	}
	forged, found, err := p.endPresented(r, endReplaced)
	_ = p.sessions.countAllForged(r, forged) // the limit does not refuse a sign-in
	// A token whose secret is unknown here must not keep people from signing in: the new cookies replace it.
	if err != nil && !errors.Is(err, errOtherSecret) {
		return old, err
	}
	for _, k := range found {
		if k.Subject == subject && k.browser() != "" && !old.found() {
			old = k
		}
	}
	return old, nil
}

// from sets the device and the address from the request, where the application did not set them.
func (b encodedGrant) from(r *http.Request, ret Return) encodedGrant {
	if b.device == "" {
		b.device = display(r.UserAgent())
	}
	if b.address == "" {
		b.address = ret.Addr()
	}
	return b
}

// redirect answers with a redirect to ret, or with JSON that names its address if the client wants JSON. params are the
// names and values of query parameters to add.
func redirect(w http.ResponseWriter, r *http.Request, ret Return, params ...string) error {
	location, err := back(ret, params...)
	if err != nil {
		return err
	}
	h := w.Header()
	httperr.NoStore(h)
	h.Set("Referrer-Policy", "no-referrer")
	if httperr.WantsJSON(r) {
		httperr.Redirect(w, location)
		return nil
	}
	h.Set("Location", location)
	// Never 307, which would repeat a POST (RFC 9700 section 4.12). No body, which would repeat the URL.
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// back returns the URL of ret with params and with the state of the sign-in.
func back(ret Return, params ...string) (string, error) {
	location, err := returnto.URL(ret, params...)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	return location, nil
}
