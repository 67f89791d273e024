package session

import (
	"errors"
	"net/http"
	"strings"
)

// maxHeader is the size up to which a header is searched for a token: each byte costs time before anything is proved,
// and servers let in more (net/http: 1 MiB of headers). A usual browser sends less than 16 KiB of cookies.
const maxHeader = 64 << 10

var errHeaderTooLarge = errors.New("session: the headers that may hold a token are larger than 64 KiB")

// bearer returns the token of the Authorization header. found means that there is a Bearer credential, good or bad. No
// other place is searched then, or a request could have two identities. Other schemes are ignored.
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
	case rest != "" && tokenByte(rest[0]): // of a longer scheme
		return "", false, nil
	case len(rest) > maxHeader:
		return "", true, errHeaderTooLarge
	}
	token = strings.TrimLeft(rest, " ")
	if !b64token(token) || len(token) == len(rest) {
		return "", true, refuse(errMalformed, "not a Bearer credential of RFC 6750 section 2.1")
	}
	return token, true, nil
}

// protocolPrefix marks the subprotocol that carries a token, see KindConfig.WebSocketProtocol.
const protocolPrefix = "bearer."

// protocol returns the token among the subprotocols that a WebSocket client offers, and the others as rest.
func protocol(h http.Header) (token, rest string, err error) {
	var others []string
	if length(h["Sec-Websocket-Protocol"]) > maxHeader {
		return "", "", errHeaderTooLarge
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
				return "", "", refuse(errMalformed, "the subprotocol has no token")
			case is:
				token = t
			}
		}
	}
	return token, strings.Join(others, ", "), nil
}

// webSocket reports whether the request asks for a WebSocket: by an upgrade, or over HTTP/2 by CONNECT (RFC 8441).
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

// cookie returns the value of the cookie of that name; empty if there is none. Two cookies of the name are refused:
// one of them was set by another site, and it is chance which one a server reads. net/http skips malformed cookies,
// and so the sign of such an attack; so the header is read here.
func cookie(h http.Header, name string) (string, error) {
	token, found := "", false
	if length(h["Cookie"]) > maxHeader {
		return "", errHeaderTooLarge
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

// cookies returns the values of the cookies of that name, of which there should be one; the first four of them if
// there are more, so that nobody makes work of them.
func cookies(h http.Header, name string) (tokens []string, err error) {
	if length(h["Cookie"]) > maxHeader {
		return nil, errHeaderTooLarge
	}
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if strings.TrimRight(n, " \t") == name && len(tokens) < 4 {
				tokens = append(tokens, strings.Trim(v, " \t"))
			}
		}
	}
	return tokens, nil
}

func length(values []string) (n int) {
	for _, v := range values {
		n += len(v)
	}
	return n
}

// checkOrigin refuses requests that a page of another origin made the browser send with its cookies.
func (s *Sessions) checkOrigin(r *http.Request) error {
	if webSocket(r) {
		// An upgrade is a GET without CORS, so any page could open one (CWE-1385). Browsers always send its origin.
		if o := r.Header["Origin"]; len(o) != 1 || !s.Trusts(o[0]) {
			return refuse(ErrCrossOrigin, "a WebSocket by cookie needs an Origin that is trusted")
		}
		return nil
	}
	if s.cross.Check(r) != nil {
		return ErrCrossOrigin
	}
	return nil
}
