package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// ErrEvent is the answer to an event that is not one of those an authorizer gets, or whose ARN is not one of API Gateway's.
// Its text names members of the event, never their values.
var ErrEvent = errors.New("gateway: not an event of an authorizer")

// kind is what asks.
type kind uint8

const (
	restToken   kind = iota + 1 // REST API, type TOKEN
	restRequest                 // REST API, type REQUEST
	httpV1                      // HTTP API, payload format 1.0
	httpV2                      // HTTP API, payload format 2.0
	webSocket                   // WebSocket API, $connect
	appSync
)

// connect is the one route of a WebSocket API that authorizers are asked about.
const connect = "$connect"

// wire has what is read of the events of all kinds, so that one decode is enough.
type wire struct {
	Type           string              `json:"type"`
	Version        string              `json:"version"`
	Token          *string             `json:"authorizationToken"`
	MethodARN      string              `json:"methodArn"`
	RouteARN       string              `json:"routeArn"`
	RouteKey       string              `json:"routeKey"`
	IdentitySource json.RawMessage     `json:"identitySource"`
	Cookies        []string            `json:"cookies"`
	Headers        map[string]string   `json:"headers"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders"`
	Query          map[string]string   `json:"queryStringParameters"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters"`
	Context        struct {
		QueryString *string `json:"queryString"`
	} `json:"requestContext"`
}

// parseEvent tells what asks, and which API and method for; an AppSync API has no ARN.
func parseEvent(event []byte) (e *wire, k kind, api arn, err error) {
	e = new(wire)
	if json.Unmarshal(event, e) != nil {
		return nil, 0, api, notOurs(event)
	}
	switch {
	case e.Type == "TOKEN":
		k = restToken
	case e.Type == "REQUEST" && e.RouteARN != "":
		k, e.MethodARN = httpV2, e.RouteARN
	case e.Type == "REQUEST" && e.Version == "1.0":
		k = httpV1
	case e.Type == "REQUEST":
		k = restRequest
	case e.Type == "" && e.Token != nil && e.Context.QueryString != nil:
		return e, appSync, api, nil
	default:
		return nil, 0, api, notOurs(event)
	}
	api, ok := parseARN(e.MethodARN)
	if !ok {
		return nil, 0, api, fmt.Errorf("%w: its ARN is not that of a method", ErrEvent)
	}
	// The path of a REST API is the client's, but there is a method before it.
	if k == restRequest && api.method == connect {
		k = webSocket
	}
	if (k == webSocket) != (api.method == connect) {
		return nil, 0, api, fmt.Errorf("%w: its ARN is not that of a method", ErrEvent)
	}
	return e, k, api, nil
}

// notOurs describes an event by the names of its members; values may be anybody's secrets.
func notOurs(event []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(event, &members) != nil {
		return fmt.Errorf("%w: it is no JSON object", ErrEvent)
	}
	names := slices.Sorted(maps.Keys(members))
	for i, name := range names {
		names[i] = fmt.Sprintf("%.40q", name)
	}
	return fmt.Errorf("%w: it has %s", ErrEvent, strings.Join(names[:min(len(names), 16)], ", "))
}

// An arn is that of a method, of which nothing the client wrote is ever copied.
type arn struct {
	stage  string // up to and with the stage: arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod
	method string // or "$connect"
	path   string // with its slash
}

// parseARN takes a method ARN apart. Wildcards are refused everywhere but in the path, which is only compared.
func parseARN(s string) (a arn, ok bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "execute-api" || !strings.HasPrefix(p[1], "aws") || !plain(p[1], "-") || !plain(p[3], "-") || !plain(p[4], "") {
		return a, false
	}
	q := strings.SplitN(p[5], "/", 4)
	if len(q) < 3 || !plain(q[0], "-") || q[1] != "$default" && !plain(q[1], "-_") || len(q[1]) > 128 {
		return a, false
	}
	a.stage = s[:len(s)-len(p[5])] + q[0] + "/" + q[1]
	a.method, a.path = q[2], "/"
	if len(q) == 4 {
		a.path += q[3]
	}
	return a, len(a.stage) < 512-maxPath && (a.method == connect && len(q) == 3 || plain(a.method, "-"))
}

// plain tells whether s is of letters, digits and the bytes of also.
func plain(s, also string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return s != ""
}

// header is that of the request: all values of all spellings of a name. Where headers and multiValueHeaders do not agree,
// both count, and a token that is there twice is refused.
func (e *wire) header() http.Header {
	h := make(http.Header, len(e.MultiHeaders)+len(e.Headers)+1)
	for name, values := range e.MultiHeaders {
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	for name, value := range e.Headers {
		_, listed := e.MultiHeaders[name]
		if name = http.CanonicalHeaderKey(name); !listed || !slices.Contains(h[name], value) {
			h[name] = append(h[name], value)
		}
	}
	if len(e.Cookies) > 0 {
		h["Cookie"] = append(h["Cookie"], strings.Join(e.Cookies, "; "))
	}
	return h
}

// query returns the values of a query parameter.
func (e *wire) query(name string) []string {
	values := e.MultiQuery[name]
	if value, ok := e.Query[name]; ok && !slices.Contains(values, value) {
		values = append(values[:len(values):len(values)], value)
	}
	return values
}

// sources are the values of the identity sources of an HTTP API; nil if it has none, and so no cache. REST APIs don't
// tell theirs.
func (e *wire) sources(k kind) (list []string) {
	switch k {
	case httpV2:
		_ = json.Unmarshal(e.IdentitySource, &list)
	case httpV1:
		var joined string
		if _ = json.Unmarshal(e.IdentitySource, &joined); joined != "" {
			list = strings.Split(joined, ",")
		}
	}
	return list
}

// says tells whether the client wrote s in a place that may be an identity source. Several values of one name come
// with commas between them.
func (e *wire) says(s string) bool {
	in := func(value string) bool {
		return value == s || slices.ContainsFunc(strings.Split(value, ","), func(part string) bool { return strings.TrimSpace(part) == s })
	}
	for _, values := range e.header() {
		if slices.ContainsFunc(values, in) {
			return true
		}
	}
	if slices.ContainsFunc(e.Cookies, in) {
		return true
	}
	for _, value := range e.Query {
		if in(value) {
			return true
		}
	}
	return false
}
