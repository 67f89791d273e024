package session

import (
	"net/http"
	"strings"
)

// maxHeader is how much of a header is looked through for a token. Servers differ in what they let in (net/http: 1 MiB for
// all headers), and each byte costs time before anybody has proved anything. Four tokens of the largest size fit.
const maxHeader = 64 << 10

var errLong = refuse(ErrMalformed, "the header is longer than 64 KiB")

// bearer returns the token of the Authorization header. found tells that there is a Bearer credential, usable or not:
// then no other place is looked at, or a request could carry two identities. Other schemes are somebody else's.
func bearer(h http.Header) (token string, found bool, err error) {
	values := h["Authorization"]
	if len(values) > 1 {
		return "", true, ErrDuplicate
	}
	const scheme = "bearer"
	if len(values) == 0 || len(values[0]) < len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return "", false, nil
	}
	rest := values[0][len(scheme):]
	switch {
	case rest != "" && tokenByte(rest[0]): // of a scheme that only begins like it
		return "", false, nil
	case len(rest) > maxHeader:
		return "", true, errLong
	}
	token = strings.TrimLeft(rest, " ")
	if !b64token(token) || len(token) == len(rest) {
		return "", true, refuse(ErrMalformed, "no Bearer credential as RFC 6750 section 2.1 has it")
	}
	return token, true, nil
}

func b64token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0
}

// protocolPrefix marks the subprotocol that carries a token, see KindConfig.WebSocketProtocol.
const protocolPrefix = "bearer."

// protocol takes the token out of the subprotocols a WebSocket client offers. rest are the others.
func protocol(h http.Header) (token, rest string, err error) {
	var others []string
	if length(h["Sec-Websocket-Protocol"]) > maxHeader {
		return "", "", errLong
	}
	for _, value := range h["Sec-Websocket-Protocol"] {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.Trim(item, " \t")
			t, is := strings.CutPrefix(item, protocolPrefix)
			switch {
			case !is && item != "":
				others = append(others, item)
			case is && token != "":
				return "", "", ErrDuplicate
			case is && !b64token(t):
				return "", "", refuse(ErrMalformed, "the subprotocol carries no token")
			case is:
				token = t
			}
		}
	}
	return token, strings.Join(others, ", "), nil
}

// webSocket reports whether the request would become a WebSocket: by an upgrade, or over HTTP/2 by CONNECT (RFC 8441).
func webSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return true
	}
	for _, value := range r.Header["Upgrade"] {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), "websocket") {
				return true
			}
		}
	}
	return false
}

// cookie returns the value of the one cookie of that name; empty if there is none or an empty one. Two are refused: one of them
// was set by somebody else, and which one a server reads is chance. The header is read here, since net/http passes over
// cookies it finds malformed, and with them the sign that something is wrong.
func cookie(h http.Header, name string) (string, error) {
	token, found := "", false
	if length(h["Cookie"]) > maxHeader {
		return "", errLong
	}
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			n, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if strings.TrimRight(n, " \t") != name {
				continue
			}
			if found {
				return "", ErrDuplicate
			}
			token, found = strings.Trim(v, " \t"), true
		}
	}
	return token, nil
}

// cookies returns the values of the cookies of that name, of which there should be one; of more than four the first, so
// that nobody makes work of them.
func cookies(h http.Header, name string) (tokens []string) {
	if length(h["Cookie"]) > maxHeader {
		return nil
	}
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if strings.TrimRight(n, " \t") == name && len(tokens) < 4 {
				tokens = append(tokens, strings.Trim(v, " \t"))
			}
		}
	}
	return tokens
}

func length(values []string) (n int) {
	for _, v := range values {
		n += len(v)
	}
	return n
}

// checkOrigin protects a request that a browser authenticated by cookie, without its page having a say in it.
func (s *Sessions) checkOrigin(r *http.Request) error {
	if webSocket(r) {
		// An upgrade is a GET and knows no CORS, so any page could open one (CWE-1385). Browsers always name the origin.
		if o := r.Header["Origin"]; len(o) != 1 || !s.trusts(o[0]) {
			return refuse(ErrCrossOrigin, "a WebSocket by cookie needs an Origin that is trusted")
		}
		return nil
	}
	if s.cross.Check(r) != nil {
		return ErrCrossOrigin
	}
	return nil
}
