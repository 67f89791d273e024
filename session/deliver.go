package session

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// Cookie creates a session, sets its cookie and redirects (303) to ret, with the state the application asked to get back.
//
// The cookie is HttpOnly, Secure, SameSite=Lax (None with origins of other sites), has Path=/ and no Domain, and lives as
// long as the token. The refresh token has a cookie of its own, which guards read and renew.
//
// A session of the kind whose cookies come with the request is ended first (OWASP ASVS 7.2.4): whoever planted it, or had
// a copy, has nothing of the new one. The error is that of [Kind.Create], ErrUnavailable too if that session could not be
// ended, or ErrReturn if ret is zero; then nothing was written to w.
func (k *Kind[T]) Cookie(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	t, err := deliver(k, r, g, ret, true)
	if err != nil {
		return err
	}
	k.setCookies(w, t)
	return redirect(w, ret)
}

// Parameter creates a session and redirects (303) to ret with the access token as the parameter token, as SST Auth does.
//
// A URL is a poor place for a token: it stays in the browser's history, in the logs of every server and proxy on the
// way, and in the Referer of the page's first requests, and whoever reads it there is signed in until it expires. It is
// for applications that cannot be changed. Use [Kind.Code], or [Kind.Cookie]. No refresh token goes this way: the
// browser is signed out when the access token expires. Errors as Cookie.
func (k *Kind[T]) Parameter(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	t, err := deliver(k, r, g, ret, false)
	if err != nil {
		return err
	}
	return redirect(w, ret, "token", t.Access)
}

func deliver[T any](k *Kind[T], r *http.Request, g Grant[T], ret Return, replaces bool) (Tokens, error) {
	if _, err := back(ret); err != nil { // before there is a session
		return Tokens{}, err
	}
	b, err := erase(g)
	if err != nil {
		return Tokens{}, err
	}
	if replaces && !k.stateless {
		if err := k.sessions.canKeep(); err != nil {
			return Tokens{}, err
		}
		if err := k.endCarried(r, endReplaced); err != nil {
			return Tokens{}, err
		}
	}
	return k.create(r.Context(), b.from(r, ret), k.client(ret))
}

// from names device and place where the application did not.
func (b blank) from(r *http.Request, ret Return) blank {
	if b.device == "" {
		b.device = display(r.UserAgent())
	}
	if b.place == "" {
		b.place = ret.Addr()
	}
	return b
}

// client is the client_id of a session that leads to ret.
func (p *policy) client(ret Return) string {
	if id := ret.ClientID(); id != "" {
		return id
	}
	return p.sessions.clientID
}

// redirect leads to ret. params are names and values.
func redirect(w http.ResponseWriter, ret Return, params ...string) error {
	location, err := back(ret, params...)
	if err != nil {
		return err
	}
	h := w.Header()
	httperr.NoStore(h)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", location)
	w.WriteHeader(http.StatusSeeOther) // never 307, which would repeat a POST (RFC 9700 section 4.12); no body, which would repeat the URL
	return nil
}

// back is the URL of ret with its state and params. What the target has of its own stays as it is, byte for byte, but
// for parameters of the same names: whoever wrote the link must not be able to bring a code or token of theirs.
func back(ret Return, params ...string) (string, error) {
	if ret.IsZero() {
		return "", fmt.Errorf("%w: pass on SignIn.Return as it came", ErrReturn)
	}
	u, err := url.Parse(ret.Target())
	if err != nil || u.Scheme == "" || !printable(ret.Target()) {
		return "", fmt.Errorf("%w: its target is no absolute URL", ErrReturn)
	}
	if ret.State() != "" {
		params = append(params, "state", ret.State())
	}
	rest, fragment, hasFragment := strings.Cut(ret.Target(), "#")
	path, query, _ := strings.Cut(rest, "?")
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); part == "" || err == nil && ours(plain) {
			continue
		}
		parts = append(parts, part)
	}
	for i := 0; i < len(params); i += 2 {
		parts = append(parts, params[i]+"="+url.QueryEscape(params[i+1]))
	}
	location := path
	if len(parts) > 0 {
		location += "?" + strings.Join(parts, "&")
	}
	if hasFragment {
		location += "#" + fragment
	}
	return location, nil
}

// ours are the parameters an application believes to come from a sign-in.
func ours(name string) bool {
	switch name {
	case "code", "state", "iss", "token", "error", "error_description":
		return true
	}
	return false
}
