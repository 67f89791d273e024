package postern

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
)

const (
	maxRedirect = 1024 // bytes of an entry of Config.Redirects
	maxState    = 1024 // bytes of the application's state
)

// neverRedirect are schemes that make a browser run or read something. No list may allow them.
var neverRedirect = map[string]bool{
	"javascript": true, "data": true, "vbscript": true, "file": true, "blob": true, "about": true, "filesystem": true,
	"view-source": true, "jar": true, "intent": true, "ws": true, "wss": true, "ftp": true, "mailto": true, "tel": true, "sms": true,
}

// redirects is the allow-list of Config.Redirects. URLs are compared character for character (RFC 9700 section 2.1).
type redirects struct {
	first    string            // where a sign-in without redirect_uri leads
	home     string            // the front page of the application: of the first entry that a browser opens
	exact    map[string]string // spelling -> absolute URL
	loopback map[string]bool   // native apps on this machine (RFC 8252 section 7.3): host and what follows the port

	development func(host string) bool // may be http
	also        func(*url.URL) bool    // Config.RedirectAlso
	own         func(uri string) bool  // pages of this handler, which open with the cookie of the session
}

// newRedirects checks the entries. origin is the issuer's, against which paths are resolved.
func newRedirects(entries []string, origin string, development func(string) bool, also func(*url.URL) bool) (redirects, error) {
	list := redirects{exact: map[string]string{}, loopback: map[string]bool{}, home: origin + "/", development: development, also: also}
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
		if u, err := url.Parse(target); list.home == origin+"/" && err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			list.home = originOf(u) + "/"
		}
	}
	return list, errors.Join(errs...)
}

// pathless returns an error for each entry without a path whose other spelling is not listed: the two name one page,
// and a redirect_uri is compared as text.
func pathless(entries []string) error {
	var errs []error
	for _, entry := range entries {
		if twin := withSlash(entry); !slices.Contains(entries, twin) {
			errs = append(errs, fmt.Errorf("postern: Config.Redirects: %q has no path, and is another text than %q: "+
				"write the second, or list both if an application sends the first", entry, twin))
		}
	}
	return errors.Join(errs...)
}

// otherLoopback returns an error for each entry on another name of this machine than the issuer's. A browser would take
// the session's cookie to the issuer's name alone, and the person would arrive signed out. A code needs no cookie.
func otherLoopback(entries []string, issuer *url.URL, codes bool) error {
	if codes || !loopback.Host(issuer.Hostname()) {
		return nil
	}
	var errs []error
	for _, entry := range entries {
		u, err := url.Parse(entry)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || !loopback.Host(u.Hostname()) || strings.EqualFold(u.Hostname(), issuer.Hostname()) {
			continue
		}
		same := *u
		same.Host = hostWithPort(issuer.Hostname(), u.Port())
		errs = append(errs, fmt.Errorf("postern: Config.Redirects: %q is on another name of this machine than the issuer %q, "+
			"and browsers send no cookies of one to the other; use one name in both, such as %q, or set RequirePKCE if the application redeems a code",
			entry, issuer, same.String()))
	}
	return errors.Join(errs...)
}

// hostWithPort joins a host, an IPv6 address without brackets, and a port, which may be empty.
func hostWithPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}

// withSlash returns an http or https URL with the path "/" if it has none (RFC 3986 section 6.2.3).
func withSlash(entry string) string {
	scheme, rest, ok := strings.Cut(entry, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return entry
	}
	end := strings.IndexAny(rest, "/?")
	switch {
	case end < 0:
		return entry + "/"
	case rest[end] == '?':
		return scheme + "://" + rest[:end] + "/" + rest[end:]
	}
	return entry
}

func (l *redirects) add(entry, origin string) (target string, err error) {
	if entry == "" || len(entry) > maxRedirect || !text.Visible(entry) || strings.ContainsAny(entry, `\"<>^{|}`+"`") {
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
		if u.Scheme == "http" && !l.development(u.Hostname()) {
			key, ok := loopbackKey(entry)
			if !ok {
				return "", errors.New("is http: only localhost, 127.0.0.1, other addresses of this machine and " +
					"session.Config.DevelopmentHosts may do without https")
			}
			l.loopback[key] = true
		}
	default: // a native app's own scheme (RFC 8252 section 7.1)
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
	if l.own != nil && l.own(uri) {
		return uri, true
	}
	// The port of a native app is chosen by its system at run time; nothing else may differ.
	if key, ok := loopbackKey(uri); ok && l.loopback[key] {
		return uri, true
	}
	if l.also == nil {
		return "", false
	}
	if u, ok := returnto.Canonical(uri); ok && (u.Scheme == "https" || l.development(u.Hostname())) && l.also(u) {
		return uri, true
	}
	return "", false
}

// loopbackKey cuts the port out of an http URL of this machine. It works on the text alone, so that no parser can read
// a host where a browser reads another one. Its host is spelled as in the URL: only the spelling of an entry matches.
func loopbackKey(uri string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	host := authority
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		port := authority[i+1:]
		if v, err := strconv.ParseUint(port, 10, 16); err != nil || v < 1 || port[0] == '0' {
			return "", false
		}
		host = authority[:i]
	}
	name, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		name, ok = strings.CutSuffix(name, "]")
	}
	if !ok || !loopback.Host(name) {
		return "", false
	}
	return "http://" + host + rest, true
}

// returnOf reads the parameters of an authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3) into a
// Return. Errors are shown and never redirected (RFC 9700 section 4.11.2): people see a page of this handler first.
func (a *Auth) returnOf(form url.Values) (session.Return, error) {
	none := session.Return{}
	target, ok := a.redirects.match(form.Get("redirect_uri"))
	if !ok {
		return none, errReturn()
	}
	if t := form.Get("response_type"); t != "" && t != "code" {
		return none, badRequest("invalid_request", "The application asked for a kind of answer that is not offered (response_type must be code).")
	}
	state, client := form.Get("state"), form.Get("client_id")
	if a.isOwn(target) {
		return a.returnOwn(form, target)
	}
	if len(state) > maxState {
		return none, badRequest("invalid_request", "The application sent a state that is too long.")
	}
	// Anybody can write a link to authorize. Only a client_id that this server knows may stand in a signed token.
	if client != "" && client != a.clientID && !slices.Contains(a.tokenClients, client) {
		return none, badRequest("invalid_client", "The application that led here is not known to this site (client_id).")
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
	case !returnto.IsChallenge(challenge):
		return none, badRequest("invalid_request", "The application sent a malformed PKCE challenge (code_challenge).")
	}
	return returnto.New(target, state, challenge, client), nil
}

// returnOwn is returnOf for a page of this handler. It takes the session from cookies, and nothing else is for it.
func (a *Auth) returnOwn(form url.Values, target string) (session.Return, error) {
	for _, name := range []string{"state", "client_id", "code_challenge", "code_challenge_method"} {
		if form.Get(name) != "" {
			return session.Return{}, errReturn()
		}
	}
	return returnto.New(target, "", "", ""), nil
}

func errReturn() *Error {
	return badRequest("invalid_redirect_uri", "The address to return to is not one that this site allows (redirect_uri).")
}

func errPKCE(cause error) *Error {
	e := badRequest("pkce_required", "The application began this sign-in in a way that cannot be finished (code_challenge with S256 is missing). "+
		"Please go back to the application and start there.")
	e.Err = cause
	return e
}

// query returns ret as parameters of an authorization request, to start again with.
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
