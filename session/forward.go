package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// ForwardAuth answers a proxy that asks, before it lets a request through, whether it may: auth_request of nginx,
// forwardAuth of Traefik, forward_auth of Caddy, ext_authz of Envoy. It decides as [Guard] would for the request itself,
// which must carry the headers of the original (Authorization, Cookie, Origin, Sec-Fetch-Site, Sec-WebSocket-*). Its body is not read.
//
//	mux.Handle("GET /verify/admin", session.ForwardAuth(user, session.Role("admin")))
//
// postern.Config.ForwardAuth serves one at {base}/verify.
//
// The answer is 200 without a body to let the request through; 401 without a valid token, with WWW-Authenticate; 403 for
// needs that are not met and for cookies sent by pages of other origins; 503 if keys or store cannot be had. There is no
// other status (nginx makes a 500 of what it does not know, 503 included), none is cached, and none sets a cookie: proxies pass
// such on in part or not at all. A session whose access token has run out is told 401 "try_refresh", and renewed by POST
// {base}/refresh. A 200 says who it is in the headers of [ForwardHeaders]. Any other says why in its body, and in the header
// X-Auth-Error: "unauthorized", "try_refresh", "session_ended", "invalid_token", "invalid_request",
// "insufficient_user_authentication", "insufficient_scope", "invalid_claims", "cross_origin", "temporarily_unavailable".
//
// A request that changes something must, with a cookie, come from a trusted page, so the original method must be known.
// The proxy tells it by X-Forwarded-Method (Traefik and Caddy do) or X-Original-Method (tell nginx to). Without either, a
// GET is taken for a request that changes something, since it may be the proxy's own; and of two different ones the
// stricter counts. Such a request needs Origin or Sec-Fetch-Site, which every browser sends and the proxy must pass on. X-Forwarded-Host, -Uri and their like are not read: which needs hold is decided by which URL the proxy
// asks, in its configuration.
//
// Whoever can reach the URL can ask about tokens they hold and nothing else. What matters is that only the proxy can reach
// what is behind it, and that it removes headers of the same names from what clients send: see docs/forward-auth.md.
func ForwardAuth(g Guard, needs ...Need) http.Handler {
	if g == nil {
		panic("session: ForwardAuth of a nil guard")
	}
	all := g.gates().with(needs)
	for _, gate := range all {
		gate.enter = func(ctx context.Context, f facts) context.Context {
			return context.WithValue(ctx, forwardKey{}, f.session.(identified).identity())
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, blind := original(r)
		in, _, err := all.pass(nil, asked)
		if blind != "" && errors.Is(err, ErrCrossOrigin) {
			err = refuse(ErrCrossOrigin, blind)
		}
		if err != nil {
			buf := &refused{ResponseWriter: w}
			all.answer(buf, in, err)
			buf.send()
			return
		}
		h := w.Header()
		in.Context().Value(forwardKey{}).(identity).write(h)
		httperr.NoStore(h)
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK) // Envoy takes no other for a yes
	})
}

// ForwardHeaders are the headers in which [ForwardAuth] says whose request was let through. A proxy copies them to the
// request, and removes those that the client sent.
//
//	X-Auth-Subject  Session.Subject; what is not visible ASCII, and the comma and the percent sign, are percent-encoded
//	X-Auth-Kind     Session.Kind, encoded likewise
//	X-Auth-Session  Session.ID, encoded likewise
//	X-Auth-Scopes   Session.Scopes, separated by spaces
//	X-Auth-Roles    Session.Roles, separated by spaces
//
// All are sent, also those that are empty: a header that is not there would leave the client's in its place where a
// proxy only overwrites. Subjects read back by [net/url.PathUnescape].
func ForwardHeaders() []string {
	return []string{"X-Auth-Subject", "X-Auth-Kind", "X-Auth-Session", "X-Auth-Scopes", "X-Auth-Roles"}
}

type forwardKey struct{}

// identity is what ForwardAuth tells of a session.
type identity struct {
	subject, kind, id string
	scopes, roles     []string
}

type identified interface{ identity() identity }

func (s *Session[T]) identity() identity {
	return identity{s.Subject, s.Kind, s.ID, s.Scopes, s.Roles}
}

func (i identity) write(h http.Header) {
	h.Set("X-Auth-Subject", escape(i.subject))
	h.Set("X-Auth-Kind", escape(i.kind))
	h.Set("X-Auth-Session", escape(i.id))
	h.Set("X-Auth-Scopes", names(i.scopes))
	h.Set("X-Auth-Roles", names(i.roles))
}

// escape keeps one value one value wherever headers are read: no spaces that are cut off, no commas that separate, no
// bytes that some read as Latin-1. Different values stay different.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != ',' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// names leaves out what is not one name: of other issuers' tokens a scope could hold a space, and pass for two.
func names(list []string) string {
	var out []string
	for _, name := range list {
		if scopeToken(name) && !strings.Contains(name, ",") {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// original is the request that a proxy asks about, as far as a guard looks at it. What the proxy keeps to itself counts
// against the request; blind then says what that is.
func original(r *http.Request) (out *http.Request, blind string) {
	out = r.Clone(r.Context())
	out.Body, out.ContentLength = http.NoBody, 0
	told := slices.Concat(r.Header["X-Forwarded-Method"], r.Header["X-Original-Method"])
	if len(told) == 0 && safe(r.Method) {
		out.Method, blind = http.MethodPost, "the proxy does not tell the method, set X-Original-Method"
	}
	webSocket := r.Header.Get("Sec-Fetch-Mode") == "websocket"
	for _, method := range append(told, r.Method) {
		if !safe(method) {
			out.Method = http.MethodPost
		}
		webSocket = webSocket || method == http.MethodConnect
	}
	// Upgrade ends at the proxy; these do not.
	if webSocket || len(r.Header["Sec-Websocket-Key"]) > 0 || len(r.Header["Sec-Websocket-Version"]) > 0 {
		out.Header.Set("Upgrade", "websocket")
	}
	// Every browser of today sends one of the two with what changes something. The check takes their absence for a client
	// that is no browser; here it may be a proxy that does not pass them on.
	if out.Method == http.MethodPost && len(r.Header["Origin"])+len(r.Header["Sec-Fetch-Site"]) == 0 {
		out.Header.Set("Origin", "null")
		if blind == "" {
			blind = "the proxy passes on neither Origin nor Sec-Fetch-Site"
		}
	}
	return out, blind
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refused holds an answer back until its header is complete.
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

// send answers with a status that proxies know, and the error in a header as well, for nginx drops the body.
func (w *refused) send() {
	if w.status == http.StatusBadRequest { // two tokens in one place
		w.status = http.StatusUnauthorized
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
