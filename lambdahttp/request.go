package lambdahttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/text"
)

// A badRequest is a mistake of the client. It is answered 400, as by net/http, and repeats nothing that the client
// sent.
type badRequest string

func (b badRequest) Error() string { return string(b) }

// request returns the request that a handler would get from net/http. Its error is a badRequest.
func (f *Function) request(ctx context.Context, e *wire, k Format, ev *Event) (*http.Request, error) {
	r := http.Request{
		Method: e.Method, URL: new(url.URL), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Method == "" {
		r.Method = e.Context.HTTP.Method
	}
	if !text.Token(r.Method) {
		return nil, badRequest("the method is malformed")
	}
	path, err := f.path(e, k)
	if err != nil {
		return nil, err
	}
	if err := setPath(r.URL, path, k.decoded()); err != nil {
		return nil, err
	}
	if r.URL.RawQuery, err = e.query(k); err != nil {
		return nil, err
	}
	r.RequestURI = r.URL.RequestURI()
	if err := e.head(&r); err != nil {
		return nil, err
	}
	if err := e.payload(&r); err != nil {
		return nil, err
	}
	forwarded := r.Header["X-Forwarded-For"]
	if k == ALB && len(forwarded) > 0 {
		// The load balancer appends the address it sees; a client can invent everything left of that.
		last := forwarded[len(forwarded)-1]
		ev.SourceIP, r.RemoteAddr = address(last[strings.LastIndexByte(last, ',')+1:])
	} else {
		ev.SourceIP, r.RemoteAddr = address(e.sourceIP())
	}
	// All others are reached by https alone, and a load balancer writes this header itself.
	if k != ALB || r.Header.Get("X-Forwarded-Proto") == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	return r.WithContext(ctx), nil
}

// setPath sets Path and RawPath as net/http does: RawPath only if the default encoding of Path differs. A path that was
// decoded on its way is used as it is: a '?', '#' or '%' in it is a character of the path.
func setPath(u *url.URL, p string, decoded bool) error {
	if p == "" {
		p = "/"
	}
	if p[0] != '/' { // an absolute URL, or what an OPTIONS * sends
		return badRequest("the path does not begin with a slash")
	}
	u.Path = p
	if decoded {
		return nil
	}
	plain, err := url.PathUnescape(p)
	if err != nil {
		return badRequest("the path is malformed")
	}
	u.Path = plain
	if u.EscapedPath() != p {
		u.RawPath = p
	}
	return nil
}

// query returns the query as the client wrote it, as far as it can be known. Payload 2.0 has the query itself. A REST
// API and payload 1.0 have decoded parameters, and a load balancer has encoded ones.
func (e *wire) query(k Format) (string, error) {
	if k == HTTP2 || k == FunctionURL {
		return escapeQuery(e.RawQuery), nil
	}
	params := e.MultiQuery
	if params == nil {
		var err error
		if params, err = parse(e.Query); err != nil {
			return "", badRequest("the query is malformed")
		}
	}
	if len(params) == 0 {
		return "", nil
	}
	// A JSON object has no order. Sorting by name gives each request one query; the values of a name keep their order.
	slices.SortStableFunc(params, func(a, b field) int { return strings.Compare(a.name, b.name) })
	var q strings.Builder
	for i, p := range params {
		if i > 0 {
			q.WriteByte('&')
		}
		if k == ALB {
			q.WriteString(p.name)
			q.WriteByte('=')
			q.WriteString(p.value)
			continue
		}
		q.WriteString(url.QueryEscape(p.name))
		q.WriteByte('=')
		q.WriteString(url.QueryEscape(p.value))
	}
	return escapeQuery(q.String()), nil
}

// escapeQuery percent-encodes the bytes that would end a query or a line when the URL is written out.
func escapeQuery(query string) string {
	bad := func(c byte) bool { return c <= ' ' || c == 0x7f || c == '#' }
	n := 0
	for i := range len(query) {
		if bad(query[i]) {
			n++
		}
	}
	if n == 0 {
		return query
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(query)+2*n)
	for i := range len(query) {
		if c := query[i]; bad(c) {
			out = append(out, '%', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// head sets Header and Host. Names that differ in letter case alone are one header with several values, so that no
// value is hidden behind a second spelling.
func (e *wire) head(r *http.Request) error {
	list := e.MultiHeaders
	if len(list) == 0 {
		var err error
		if list, err = parse(e.Headers); err != nil {
			return badRequest("the headers are malformed")
		}
	}
	r.Header = make(http.Header, len(list)+1)
	values := make([]string, len(list))
	for i, h := range list {
		if !text.Token(h.name) {
			return badRequest("the name of a header is malformed")
		}
		if !isValue(h.value) {
			return badRequest("the value of a header is malformed")
		}
		name := textproto.CanonicalMIMEHeaderKey(h.name)
		values[i] = strings.Trim(h.value, " \t")
		if others, ok := r.Header[name]; ok {
			r.Header[name] = append(others, values[i])
		} else {
			r.Header[name] = values[i : i+1 : i+1]
		}
	}
	if len(e.Cookies) > 0 {
		// A Function URL sends its cookies a second time, as a header.
		cookie := strings.Join(e.Cookies, "; ")
		if !isValue(cookie) {
			return badRequest("a cookie is malformed")
		}
		r.Header["Cookie"] = []string{cookie}
	}
	switch hosts := r.Header["Host"]; {
	case len(hosts) == 0:
		r.Host = e.Context.DomainName
	case len(hosts) > 1 || !isHost(hosts[0]):
		return badRequest("the Host header is malformed or there are two")
	default:
		r.Host = hosts[0]
	}
	delete(r.Header, "Host")
	delete(r.Header, "Transfer-Encoding") // of the connection that ended at the gateway
	return nil
}

// payload sets Body and ContentLength. It corrects a Content-Length that counts the body as it was on its way.
func (e *wire) payload(r *http.Request) error {
	r.Body = http.NoBody
	switch {
	case e.Body == "":
	case e.Base64:
		b, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			return badRequest("the body is not base64, though the event marks it so")
		}
		if len(b) > 0 {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		}
	default:
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(e.Body)), int64(len(e.Body))
	}
	if said, ok := r.Header["Content-Length"]; ok {
		if length := strconv.FormatInt(r.ContentLength, 10); len(said) != 1 || said[0] != length {
			r.Header["Content-Length"] = []string{length}
		}
	}
	return nil
}

func (e *wire) sourceIP() string {
	if ip := e.Context.HTTP.SourceIP; ip != "" {
		return ip
	}
	return e.Context.Identity.SourceIP
}

// address reads the client's address, with a port or without, and writes it as net/http does. Anything else (the
// console's "test-invoke-source-ip", the health check of a load balancer) becomes "unknown:0", which SplitHostPort
// can read.
func address(s string) (netip.Addr, string) {
	s = strings.Trim(s, " \t")
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip, netip.AddrPortFrom(ip, 0).String()
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr(), ap.String()
	}
	return netip.Addr{}, "unknown:0"
}

// isValue reports whether s may be the value of a header (RFC 9110 section 5.5): no control characters but tab.
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isHost reports whether s may name a host, with or without a port. A comma is what two Host headers become on their
// way.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._~:[]%!$&'()*+;=", c) < 0 {
			return false
		}
	}
	return true
}
