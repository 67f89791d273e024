package session

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// ForwardAuth is the authorization endpoint for a reverse proxy, which asks it before it passes a request on:
// auth_request of nginx, forwardAuth of Traefik, forward_auth of Caddy, ext_authz of Envoy. It decides as the [Guard]
// would for the request itself, whose headers the proxy passes on (Authorization, Cookie, Origin, Sec-Fetch-Site,
// Sec-WebSocket-*). The body is not read.
//
//	mux.Handle("GET /verify/admin", session.ForwardAuth(user, session.Role("admin")))
//
// postern.Config.ForwardAuth serves one at {base}/verify.
//
// # Answers
//
//	200  let the request through; no body, and the session in the headers of [ForwardHeaders]
//	401  no valid token, with WWW-Authenticate; "try_refresh" for a session whose access token has expired
//	403  needs are not met, a page of another origin sent the cookie, the path is ambiguous or missing, or the
//	     headers are too large
//	503  keys or store are unavailable, with Retry-After
//
// There is no other status. nginx turns every other status into a 500, and the 503 too. No answer is cached, and none
// sets a cookie, because proxies pass on one cookie or none. A page renews its session by POST {base}/refresh. Only the
// answer "request_too_large" removes cookies: those of unfinished sign-ins, of which a page of another site can make
// too many.
//
// A refusal has the reason in its body, and in the header X-Auth-Error: "unauthorized", "try_refresh", "session_ended",
// "invalid_token", "invalid_request", "insufficient_user_authentication", "insufficient_scope", "invalid_claims",
// "cross_origin", "ambiguous_path", "missing_path", "request_too_large", "temporarily_unavailable".
//
// # Method
//
// With a cookie, a request that changes something must come from a trusted page, so the original method must be
// known. The proxy sends it as X-Forwarded-Method (Traefik and Caddy do) or X-Original-Method (configure nginx to).
// Without either, a GET counts as a request that changes something, because it may be the proxy's own; of two
// different methods the stricter counts. Such a request needs Origin or Sec-Fetch-Site, which every browser sends and
// the proxy must pass on.
//
// # Path
//
// The needs of a path are decided by the proxy, which asks another URL for it. If the program behind the proxy reads
// the path differently (/%61dmin, /x/..;/admin, //admin), a request for a guarded path would be checked as one for an
// open path. So a path that can be read in two ways is refused: one with an empty segment, a segment of dots, a
// semicolon or a backslash, or with a percent-encoding of one of these, of a slash, a question mark, a number sign, a
// percent sign, a control character, or of a letter that needs none, or one with a segment such as "(S(x))".
//
// The proxy sends the path in X-Forwarded-Uri (Traefik and Caddy do), X-Original-Url (ingress-nginx does) or
// X-Original-Uri (configure nginx and Envoy to). A request without a path, or with different paths in these headers, is
// refused. So is one whose X-Rewrite-Url has a different path: some programs read that in place of the path.
// [AnyPath] turns all of this off.
//
// X-Forwarded-Host and similar headers are not read.
//
// # What the proxy must do
//
// Anyone who can reach the URL can ask about tokens they hold, and learns nothing else. Only the proxy may reach the
// programs behind it, and it must remove the headers of [ForwardHeaders] that clients send: see docs/forward-auth.md.
func ForwardAuth(g Guard, needs ...Need) http.Handler {
	if g == nil {
		panic("session: ForwardAuth of a nil guard")
	}
	all := g.gates().with(needs)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, blind := original(r)
		in := admission{request: asked}
		err := all.checkPath(r)
		if err == nil {
			in, err = all.pass(nil, asked)
		}
		if blind != "" && errors.Is(err, ErrCrossOrigin) {
			err = refuse(ErrCrossOrigin, blind)
		}
		if err != nil {
			buf := &refused{ResponseWriter: w}
			all.answer(buf, in.request, err)
			buf.send()
			return
		}
		h := w.Header()
		writeIdentity(h, in.session.common())
		httperr.NoStore(h)
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK) // Envoy takes no other for a yes
	})
}

// ForwardHeaders are the headers in which [ForwardAuth] describes the session of a request that it let through. The
// proxy copies them to the request, and removes those that the client sent.
//
//	X-Auth-Subject  Session.Subject, percent-encoded except for visible ASCII without comma and percent sign
//	X-Auth-Kind     Session.Kind, encoded likewise
//	X-Auth-Session  Session.ID, encoded likewise
//	X-Auth-Scopes   Session.Scopes, separated by spaces
//	X-Auth-Roles    Session.Roles, separated by spaces
//
// All of them are sent, even if they are empty. If one were missing, a proxy that only overwrites headers would leave
// the client's header. net/url.PathUnescape decodes a subject.
func ForwardHeaders() []string {
	return []string{"X-Auth-Subject", "X-Auth-Kind", "X-Auth-Session", "X-Auth-Scopes", "X-Auth-Roles"}
}

func writeIdentity(h http.Header, s common) {
	all := [5]string{escape(s.subject), escape(s.kind), escape(s.id), names(s.scopes), names(s.roles)}
	for i, name := range [5]string{"X-Auth-Subject", "X-Auth-Kind", "X-Auth-Session", "X-Auth-Scopes", "X-Auth-Roles"} {
		h[name] = all[i : i+1 : i+1] // as Set does, with one allocation for all
	}
}

// escape makes a value that all programs read in the same way: without spaces, which some cut off, without commas,
// which separate values, and without bytes that some read as Latin-1. Different values stay different.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	if !strings.ContainsFunc(s, escaped) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; escaped(rune(c)) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escaped reports whether escape encodes a character.
func escaped(c rune) bool { return c <= ' ' || c > '~' || c == ',' || c == '%' }

// names joins names. It leaves out those that another program could read as two: other issuers may write a space in
// one.
func names(list []string) string {
	var out []string
	for _, name := range list {
		if scopeToken(name) && !strings.Contains(name, ",") {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// original returns the request that a proxy asks about, as far as a guard needs it. If the proxy does not send what the
// cross-origin check needs, the check fails; blind is then the text about what is missing.
func original(r *http.Request) (out *http.Request, blind string) {
	shared := *r // with its header, until another one is needed
	out = &shared
	out.Body, out.ContentLength = http.NoBody, 0
	var header http.Header
	set := func(name, value string) {
		if header == nil {
			header = r.Header.Clone()
			out.Header = header
		}
		header.Set(name, value)
	}
	told := slices.Concat(r.Header["X-Forwarded-Method"], r.Header["X-Original-Method"])
	if len(told) == 0 && safe(r.Method) {
		out.Method, blind = http.MethodPost, "the proxy does not send the method, set X-Original-Method"
	}
	webSocket := r.Header.Get("Sec-Fetch-Mode") == "websocket"
	for _, method := range append(told, r.Method) {
		if !safe(method) {
			out.Method = http.MethodPost
		}
		webSocket = webSocket || method == http.MethodConnect
	}
	// The proxy removes Upgrade, but passes these on.
	if webSocket || len(r.Header["Sec-Websocket-Key"]) > 0 || len(r.Header["Sec-Websocket-Version"]) > 0 {
		set("Upgrade", "websocket")
	}
	// Every current browser sends one of the two with a request that changes something. Without both, the check would
	// take the client for another program; here it may be that the proxy does not pass them on.
	if out.Method == http.MethodPost && len(r.Header["Origin"])+len(r.Header["Sec-Fetch-Site"]) == 0 {
		set("Origin", "null")
		if blind == "" {
			blind = "the proxy passes on neither Origin nor Sec-Fetch-Site"
		}
	}
	return out, blind
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refused records an answer until its header is complete.
type refused struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (w *refused) WriteHeader(status int) { w.status = status }

func (w *refused) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// send sends the answer with a status that proxies know, and with the error in a header too, because nginx drops the
// body.
func (w *refused) send() {
	switch w.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
	case http.StatusBadRequest: // two tokens in one place
		w.status = http.StatusUnauthorized
	case http.StatusRequestHeaderFieldsTooLarge: // not a 401: a sign-in would fail in the same way
		w.status = http.StatusForbidden
	default:
		w.status = http.StatusServiceUnavailable
	}
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(w.body, &told) == nil {
		w.Header().Set("X-Auth-Error", told.Error)
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(w.body) // a proxy that has gone needs no answer
}
