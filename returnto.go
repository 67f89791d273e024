package postern

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/handover"
	"github.com/posternauth/postern/session"
)

const (
	maxRedirect = 1024 // bytes of an entry of Config.Redirects, and of a redirect_uri
	maxState    = 1024 // bytes of the application's state
	maxClientID = 255
)

// neverRedirect are schemes that run or read something where a browser is sent to them. No list may allow them.
var neverRedirect = map[string]bool{
	"javascript": true, "data": true, "vbscript": true, "file": true, "blob": true, "about": true, "filesystem": true,
	"view-source": true, "jar": true, "intent": true, "ws": true, "wss": true, "ftp": true, "mailto": true, "tel": true, "sms": true,
}

// redirects is the allow-list of Config.Redirects: strings compared character for character (RFC 9700 section 2.1).
type redirects struct {
	first    string            // where a sign-in leads that asked for nothing
	exact    map[string]string // spelling -> absolute URL
	loopback map[string]bool   // native apps on this machine (RFC 8252 section 7.3): host and what follows the port
	origins  []string          // sources for the CSP's form-action
}

// newRedirects checks the entries. origin is the issuer's, against which paths are resolved.
func newRedirects(entries []string, origin string) (redirects, error) {
	list := redirects{exact: map[string]string{}, loopback: map[string]bool{}}
	if len(entries) == 0 {
		return list, errors.New(`postern: Config.Redirects is empty: list where a sign-in may lead, such as "https://example.com/" or "/welcome"`)
	}
	var errs []error
	for i, entry := range entries {
		target, err := list.add(entry, origin)
		if err != nil {
			errs = append(errs, fmt.Errorf("postern: Config.Redirects: %q %w", entry, err))
		}
		if i == 0 {
			list.first = target
		}
	}
	return list, errors.Join(errs...)
}

func (l *redirects) add(entry, origin string) (target string, err error) {
	if entry == "" || len(entry) > maxRedirect || !visible(entry) || strings.ContainsAny(entry, `\"<>^{|}`+"`") {
		return "", fmt.Errorf("must be 1 to %d characters of a URL, with everything unusual percent-encoded", maxRedirect)
	}
	u, err := url.Parse(entry)
	switch {
	case err != nil:
		return "", errors.New("is not a URL")
	case strings.Contains(entry, "#"):
		return "", errors.New("has a fragment (RFC 6749 section 3.1.2 forbids it)")
	case strings.Contains(u.Host, "*"):
		return "", errors.New("has a wildcard: entries are compared character for character, so list each URL")
	case u.User != nil:
		return "", errors.New("has user information")
	}
	if strings.HasPrefix(entry, "/") {
		if strings.HasPrefix(entry, "//") || u.Host != "" {
			return "", errors.New("begins with two slashes: write the whole https URL, or a path of this host")
		}
		l.exact[entry], l.exact[origin+entry] = origin+entry, origin+entry
		return origin + entry, nil
	}
	switch {
	case u.Scheme == "":
		return "", errors.New(`is neither an absolute URL nor a path beginning with "/"`)
	case neverRedirect[u.Scheme]:
		return "", fmt.Errorf("has the scheme %s, which is never safe to redirect to", u.Scheme)
	case !strings.HasPrefix(entry, u.Scheme+":"):
		return "", errors.New("must have its scheme in lower case")
	case u.Scheme == "https" || u.Scheme == "http":
		if u.Hostname() == "" || u.Host != strings.ToLower(u.Host) || strings.HasSuffix(u.Host, ":") || u.Opaque != "" {
			return "", errors.New("must name a host, in lower case")
		}
		if u.Scheme == "http" {
			key, ok := loopbackKey(entry)
			if !ok {
				return "", errors.New("is http: only localhost, 127.0.0.1 and [::1] may do without https")
			}
			l.loopback[key] = true
			l.origins = append(l.origins, "http://"+strings.TrimSuffix(u.Host, ":"+u.Port())+":*")
		} else {
			l.origins = append(l.origins, "https://"+u.Host)
		}
	default: // a native app's own scheme (RFC 8252 section 7.1)
		l.origins = append(l.origins, u.Scheme+":")
	}
	l.exact[entry] = entry
	return entry, nil
}

// match returns the absolute URL of a redirect_uri that is allowed; an empty one asks for the first entry.
func (l *redirects) match(uri string) (target string, ok bool) {
	if uri == "" {
		return l.first, true
	}
	if target, ok := l.exact[uri]; ok {
		return target, true
	}
	// The port of a native app is chosen by its system at run time; nothing else may differ.
	if key, ok := loopbackKey(uri); ok && len(uri) <= maxRedirect && l.loopback[key] {
		return uri, true
	}
	return "", false
}

// loopbackKey cuts the port out of an http URL of this machine. It works on the text alone, so that no parser can read
// a host where a browser reads another one.
func loopbackKey(uri string) (key string, ok bool) {
	for _, host := range [...]string{"http://127.0.0.1", "http://[::1]", "http://localhost"} {
		rest, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			n := strings.IndexFunc(port, func(r rune) bool { return r < '0' || r > '9' })
			if n < 0 {
				n = len(port)
			}
			if v, err := strconv.Atoi(port[:n]); err != nil || v < 1 || v > 65535 || port[0] == '0' {
				return "", false
			}
			rest = port[n:]
		}
		if rest != "" && rest[0] != '/' && rest[0] != '?' {
			return "", false
		}
		return host + rest, true
	}
	return "", false
}

// returnOf reads the parameters of an authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3) into a
// Return. Until redirect_uri is known to be ours nothing may be redirected, and as it is Postern's own page that people
// see first, nothing ever is: errors are shown (RFC 9700 section 4.11.2).
func (a *Auth) returnOf(form url.Values) (session.Return, error) {
	none := session.Return{}
	target, ok := a.redirects.match(form.Get("redirect_uri"))
	if !ok {
		return none, badRequest("invalid_redirect_uri", "The address to return to is not one that this site allows (redirect_uri).")
	}
	if t := form.Get("response_type"); t != "" && t != "code" {
		return none, badRequest("invalid_request", "The application asked for a kind of answer that is not offered (response_type must be code).")
	}
	state, client := form.Get("state"), form.Get("client_id")
	if len(state) > maxState || len(client) > maxClientID {
		return none, badRequest("invalid_request", "The application sent a state or client_id that is too long.")
	}
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && !form.Has("code_challenge") && !form.Has("code_challenge_method"):
		if a.requirePKCE {
			return none, errPKCE(nil)
		}
	case method != "S256":
		// A challenge without a method would mean plain (RFC 7636 section 4.3): refused, not ignored.
		return none, badRequest("invalid_request", "The application must use PKCE with S256 (code_challenge_method).")
	case !challengeSyntax(challenge):
		return none, badRequest("invalid_request", "The application sent a malformed PKCE challenge (code_challenge).")
	}
	return handover.New(target, state, challenge, client), nil
}

func errPKCE(cause error) *Error {
	e := badRequest("pkce_required", "The application began this sign-in in a way that cannot be finished (code_challenge with S256 is missing). "+
		"Please go back to the application and start there.")
	e.Err = cause
	return e
}

// challengeSyntax: an S256 challenge is the base64url form of 32 bytes.
func challengeSyntax(s string) bool { return len(s) == 43 && base64url(s) }

func base64url(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// query is ret as the parameters that asked for it, to start again with.
func query(ret session.Return) url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"redirect_uri": ret.Target(), "state": ret.State(), "client_id": ret.ClientID(), "code_challenge": ret.Challenge(),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if ret.Challenge() != "" {
		v.Set("code_challenge_method", "S256")
	}
	return v
}
