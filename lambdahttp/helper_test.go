package lambdahttp_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posternauth/postern/lambdahttp"
)

// sent is a request as a client sends it; event makes of it what each platform makes of it, by captures of live events.
type sent struct {
	method, path, query string // as on the request line
	header              []string
	cookies             []string
	body                string
	encoded             bool // the body travels as base64

	stage, domain, prefix, apiID string // default: $default or live, on the generated host
	resource, routeKey           string
	params                       map[string]string
}

// shapes are the kinds of event, load balancers twice.
var shapes = []string{"rest", "http-1.0", "http-2.0", "function-url", "alb", "alb-multi"}

type object = map[string]any

func (s sent) event(shape string) []byte {
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	method, path := or(s.method, "GET"), or(s.path, "/")
	decoded, _ := url.PathUnescape(path)
	body, encoded := s.body, s.encoded || !utf8.ValidString(s.body)
	if encoded && !s.encoded {
		body = base64.StdEncoding.EncodeToString([]byte(body))
	}
	api := or(s.apiID, "abc123defg")
	generated := api + ".execute-api.eu-west-1.amazonaws.com"
	if shape == "function-url" {
		generated = api + ".lambda-url.eu-west-1.on.aws"
	}
	domain := or(s.domain, generated)
	prefix := or(s.prefix, api)
	if s.domain != "" {
		prefix = or(s.prefix, strings.SplitN(s.domain, ".", 2)[0])
	}
	header := append([]string{"Host", domain, "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"}, s.header...)
	for _, name := range []string{"Host", "X-Forwarded-For"} { // those of the test take the place of the usual ones
		if n := slices.Index(s.header, name); n >= 0 {
			i := slices.Index(header, name)
			header = slices.Delete(header, i, i+2)
		}
	}
	cookie := strings.Join(s.cookies, "; ")

	single, multi := map[string]string{}, map[string][]string{}
	lower := shape != "rest"
	all := header
	if cookie != "" && shape != "http-2.0" {
		all = append(slices.Clip(all), "Cookie", cookie)
	}
	for i := 0; i < len(all); i += 2 {
		name := all[i]
		if lower {
			name = strings.ToLower(name)
		}
		multi[name] = append(multi[name], all[i+1])
	}
	joins := shape == "http-2.0" || shape == "function-url"
	for name, values := range multi {
		single[name] = values[len(values)-1]
		if joins {
			single[name] = strings.Join(values, ",")
		}
	}
	params, _ := url.ParseQuery(s.query)
	raw := map[string][]string{}
	for pair := range strings.SplitSeq(s.query, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			raw[name] = append(raw[name], value)
		}
	}
	last := func(m map[string][]string) (out map[string]string) {
		for name, values := range m {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = values[len(values)-1]
		}
		return out
	}
	context := object{"apiId": api, "accountId": "123456789012", "domainName": domain, "domainPrefix": prefix, "requestId": "JKJaXmPLvHcESHA="}
	e := object{"requestContext": context, "body": body, "isBase64Encoded": encoded}
	if body == "" {
		e["body"] = nil
	}
	switch shape {
	case "rest", "http-1.0":
		e["httpMethod"], e["path"], e["headers"], e["multiValueHeaders"] = method, path, single, multi
		e["queryStringParameters"], e["multiValueQueryStringParameters"] = last(params), params
		if len(params) == 0 {
			e["queryStringParameters"], e["multiValueQueryStringParameters"] = nil, nil
		}
		e["resource"], e["pathParameters"] = or(s.resource, "/{proxy+}"), s.params
		context["stage"], context["identity"] = or(s.stage, "live"), object{"sourceIp": "203.0.113.9", "userAgent": "test"}
		context["path"] = "/live" + path
		if shape == "http-1.0" {
			e["version"], e["path"], context["stage"] = "1.0", decoded, or(s.stage, "$default")
		}
	case "http-2.0", "function-url":
		e["version"], e["routeKey"], e["rawPath"], e["rawQueryString"] = "2.0", or(s.routeKey, "$default"), decoded, s.query
		e["headers"], e["queryStringParameters"] = single, last(params)
		e["pathParameters"] = s.params
		if len(s.cookies) > 0 {
			e["cookies"] = s.cookies
		}
		context["stage"] = or(s.stage, "$default")
		context["http"] = object{"method": method, "path": decoded, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "test"}
		if shape == "function-url" {
			e["rawPath"], context["stage"], context["accountId"] = path, "$default", "anonymous"
		}
	case "alb", "alb-multi":
		e["requestContext"] = object{"elb": object{"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/6d0ecf831eec9f09"}}
		e["httpMethod"], e["path"], e["body"] = method, path, body
		if shape == "alb" {
			e["headers"], e["queryStringParameters"] = single, last(raw)
		} else {
			e["headers"], e["multiValueHeaders"] = nil, multi
			e["queryStringParameters"], e["multiValueQueryStringParameters"] = nil, raw
		}
	}
	out, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return out
}

// reply is an answer as the client gets it.
type reply struct {
	Status      int                 `json:"statusCode"`
	Description string              `json:"statusDescription"`
	Single      map[string]string   `json:"headers"`
	Multi       map[string][]string `json:"multiValueHeaders"`
	Cookies     []string            `json:"cookies"`
	Body        string              `json:"body"`
	Base64      bool                `json:"isBase64Encoded"`
	raw         string
}

// header is what the gateway of that shape sends on.
func (r reply) header() http.Header {
	h := http.Header{}
	for name, value := range r.Single {
		h[textproto.CanonicalMIMEHeaderKey(name)] = append(h[textproto.CanonicalMIMEHeaderKey(name)], value)
	}
	for name, values := range r.Multi {
		h[textproto.CanonicalMIMEHeaderKey(name)] = append(h[textproto.CanonicalMIMEHeaderKey(name)], values...)
	}
	for _, c := range r.Cookies {
		h.Add("Set-Cookie", c)
	}
	slices.Sort(h["Set-Cookie"])
	return h
}

func (r reply) bytes(t testing.TB) string {
	t.Helper()
	if !r.Base64 {
		return r.Body
	}
	b, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func function(t testing.TB, h http.Handler, c lambdahttp.Config) *lambdahttp.Function {
	t.Helper()
	f, err := lambdahttp.New(h, c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// invoke runs one event, and fails the test on an error or on an answer the gateway would not take.
func invoke(t testing.TB, f *lambdahttp.Function, event []byte) (r reply) {
	t.Helper()
	out, err := f.Invoke(t.Context(), event)
	if err != nil {
		t.Fatalf("Invoke: %v", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("the answer is no JSON: %v\n%s", err, out)
	}
	if r.Status < 200 || r.Status > 999 {
		t.Fatalf("status %d", r.Status)
	}
	r.raw = string(out)
	return r
}

// seen is what a handler sees of a request, for comparison.
type seen struct {
	Method, Path, RawPath, Escaped, Query, Host, Remote, URI string
	Length                                                   int64
	TLS                                                      bool
	Header                                                   http.Header
	Body                                                     string
}

func look(r *http.Request) seen {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return seen{
		r.Method, r.URL.Path, r.URL.RawPath, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.RemoteAddr, r.RequestURI,
		r.ContentLength, r.TLS != nil, maps.Clone(r.Header), string(body),
	}
}

// see invokes a function whose handler looks at its request.
func see(t testing.TB, c lambdahttp.Config, event []byte) (got seen) {
	t.Helper()
	called := false
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got, called = look(r), true }), c)
	if r := invoke(t, f, event); !called || r.Status != 200 {
		t.Fatalf("the handler was not reached: %s", r.raw)
	}
	return got
}

// answered invokes a function with this handler by an event of the shape.
func answered(t testing.TB, shape string, h http.HandlerFunc) reply {
	t.Helper()
	return invoke(t, function(t, h, lambdahttp.Config{}), sent{}.event(shape))
}

// eachShape runs a test for every kind of event.
func eachShape(t *testing.T, do func(t *testing.T, shape string)) {
	for _, shape := range shapes {
		t.Run(shape, func(t *testing.T) { do(t, shape) })
	}
}

// logs collects what is logged.
func logs() (*slog.Logger, *strings.Builder) {
	var b strings.Builder
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}
