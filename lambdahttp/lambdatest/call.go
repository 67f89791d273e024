package lambdatest

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limits of requests.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html and
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
const (
	maxHeaders   = 10240    // request line and headers of API Gateway
	maxBody      = 10 << 20 // of API Gateway
	maxALB       = 1 << 20  // request and response of a load balancer
	maxMethodARN = 1600
)

// A call is one request on its way through a gateway.
type call struct {
	g         *Gateway
	r         *http.Request
	method    string
	header    http.Header // with Host and what the gateway adds
	body      []byte
	fullPath  string // as the client asked for it, escaped
	decoded   string // the same as an HTTP API sees it
	path      string // without stage and base path; escaped for REST, decoded for HTTP APIs
	route     *route
	params    map[string]string
	requestID string
	sourceIP  string
	time      time.Time

	authorizer map[string]any // as the function's event shows it
	denied     map[string]any // the same for gateway responses, which see it after a refusal too
	usageKey   string
	apiKey     string
	invoked    bool
	cached     bool
	conn       *Conn // of a WebSocket handshake
}

// hostOf takes the port off an address.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

func (g *Gateway) newCall(r *http.Request) (*call, *refusal) {
	c := &call{g: g, r: r, method: r.Method, requestID: newID(), time: g.cfg.Now(), sourceIP: hostOf(r.RemoteAddr)}
	c.fullPath = r.URL.EscapedPath()
	if c.fullPath == "" || c.fullPath[0] != '/' {
		c.fullPath = "/" + c.fullPath
	}
	if g.cfg.Type.api() && headerSize(r) > maxHeaders {
		return c, &refusal{status: http.StatusRequestHeaderFieldsTooLarge, kind: "DEFAULT_4XX", message: "Request Header Fields Too Large"}
	}
	limit := int64(maxBody)
	switch {
	case g.cfg.Type == FunctionURL:
		limit = MaxPayload
	case g.cfg.Type.alb():
		limit = maxALB
	}
	body, err := readBody(r, limit)
	switch {
	case errors.Is(err, errBodyTooLong):
		return c, tooLong(g.cfg.Type)
	case err != nil:
		return c, &refusal{status: http.StatusBadRequest, kind: "DEFAULT_4XX", message: "Bad Request", reason: "the body broke off"}
	}
	c.body = body
	c.header = g.forwarded(r, c.sourceIP)

	full := c.fullPath
	if g.cfg.Type.http() {
		if full, err = decodedPath(c.fullPath); err != nil {
			return c, &refusal{status: http.StatusBadRequest, kind: "DEFAULT_4XX", message: "Bad Request", reason: "the path can't be decoded twice"}
		}
		c.decoded = full
	}
	path, refused := g.locate(full)
	if refused != nil {
		return c, refused
	}
	c.path = path
	c.route, c.params = g.find(r.Method, path)
	if c.route == nil {
		return c, g.notFound("no route for " + r.Method + " " + path)
	}
	if len(c.arn()) > maxMethodARN && c.route.guard != nil {
		return c, &refusal{status: http.StatusRequestURITooLong, kind: "DEFAULT_4XX", message: "Request-URI Too Long"}
	}
	return c, nil
}

func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len("Host: ") + len(r.Host)
	for k, vs := range r.Header {
		for _, v := range vs {
			n += len(k) + len(": ") + len(v) + len("\r\n")
		}
	}
	return n
}

// decodedPath returns the path as an HTTP API passes it on: decoded, cut at a "?" that appears, and decoded again. A
// path that can't be decoded a second time is rejected.
//
// AWS does not document it; live APIs were seen to do it (github.com/hotsock/voker,
// vokerhttp/testdata/ingress-paths.json). The status of the rejection, 400, is a guess.
func decodedPath(escaped string) (string, error) {
	once, _, _ := strings.Cut(unescapePath(escaped), "?")
	return url.PathUnescape(once)
}

// forwarded returns the headers of a request with those that every AWS front end adds. X-Forwarded-For is appended to
// the client's own, so only its last entry can be trusted.
func (g *Gateway) forwarded(r *http.Request, ip string) http.Header {
	h := r.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Host", r.Host)
	chain := append(h.Values("X-Forwarded-For"), ip)
	h.Set("X-Forwarded-For", strings.Join(chain, ", "))
	proto, port := "https", "443"
	if g.cfg.Type.alb() && r.TLS == nil {
		proto, port = "http", "80"
	}
	h.Set("X-Forwarded-Proto", proto)
	h.Set("X-Forwarded-Port", port)
	if g.cfg.Type == FunctionURL {
		h.Set("X-Amzn-Tls-Version", "TLSv1.3")
		h.Set("X-Amzn-Tls-Cipher-Suite", "TLS_AES_128_GCM_SHA256")
	}
	if h.Get("X-Amzn-Trace-Id") == "" {
		h.Set("X-Amzn-Trace-Id", newTrace())
	}
	if r.ContentLength >= 0 && (r.ContentLength > 0 || h.Get("Content-Length") != "") {
		h.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return h
}

// arn returns the method ARN of a REST API or the route ARN of an HTTP API. It has the path of the request, so a "*" or
// "?" of the client is in it.
func (c *call) arn() string {
	if c.conn != nil {
		return c.g.apiARN() + "/$connect"
	}
	return c.g.apiARN() + "/" + c.method + "/" + strings.TrimPrefix(c.path, "/")
}

func (g *Gateway) apiARN() string {
	return partition(g.cfg.Region, "execute-api", g.cfg.Account) + g.cfg.APIID + "/" + g.cfg.Stage
}

// variable returns a context variable, by the name that identity sources and templates use.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
func (c *call) variable(name string) (value string, known bool) {
	cfg := &c.g.cfg
	switch name {
	case "accountId":
		return cfg.Account, true
	case "apiId":
		return cfg.APIID, true
	case "domainName":
		return c.g.domain, true
	case "domainPrefix":
		return c.g.domainPrefix(), true
	case "httpMethod":
		return c.method, true
	case "identity.sourceIp":
		return c.sourceIP, true
	case "identity.userAgent":
		return c.header.Get("User-Agent"), true
	case "path":
		return c.requestPath(), true
	case "protocol":
		return c.r.Proto, true
	case "requestId", "extendedRequestId":
		return c.requestID, true
	case "resourcePath", "routeKey":
		if c.route == nil { // the gateway found none
			return "", true
		}
		if name == "routeKey" {
			return c.route.key(), true
		}
		return c.route.Path, true
	case "stage":
		return cfg.Stage, true
	}
	return "", false
}

func (g *Gateway) domainPrefix() string {
	prefix, _, _ := strings.Cut(g.domain, ".")
	return prefix
}

// requestPath returns the path with its stage or base path.
func (c *call) requestPath() string {
	if c.g.cfg.Type.http() {
		return c.decoded
	}
	return c.fullPath
}
