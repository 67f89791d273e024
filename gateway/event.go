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

// ErrEvent is returned for an event that does not ask an authorizer, or whose ARN is not of API Gateway. Its text names
// members of the event, or the part of the ARN and the character that is wrong, never whole values.
var ErrEvent = errors.New("gateway: not an event of an authorizer")

// kind is the kind of API that asks.
type kind uint8

const (
	restToken   kind = iota + 1 // REST API, type TOKEN
	restRequest                 // REST API, type REQUEST
	httpV1                      // HTTP API, payload format 1.0
	httpV2                      // HTTP API, payload format 2.0
	webSocket                   // WebSocket API, $connect
	appSync
)

// connectRoute is the only route of a WebSocket API that authorizers are asked about.
const connectRoute = "$connect"

// wire has the members of all kinds of event that are read, so that one decode is enough.
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

// parseEvent returns the event, the kind of API that asks, and the ARN, which AppSync does not have.
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
	member := "methodArn"
	if k == httpV2 {
		member = "routeArn"
	}
	if api, err = parseARN(e.MethodARN); err != nil {
		return nil, 0, api, fmt.Errorf("%w: %s: %w", ErrEvent, member, err)
	}
	// A client of a REST API can call the path /$connect, but not with $connect as the method.
	if k == restRequest && api.method == connectRoute {
		k = webSocket
	}
	if (k == webSocket) != (api.method == connectRoute) {
		return nil, 0, api, fmt.Errorf("%w: %s: $connect is the method of WebSocket APIs alone, and their only one", ErrEvent, member)
	}
	return e, k, api, nil
}

// notOurs describes an event by the names of its members; the values may be secrets.
func notOurs(event []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(event, &members) != nil {
		return fmt.Errorf("%w: it is not a JSON object", ErrEvent)
	}
	names := slices.Sorted(maps.Keys(members))
	for i, name := range names {
		names[i] = fmt.Sprintf("%.40q", name)
	}
	return fmt.Errorf("%w: it has %s", ErrEvent, strings.Join(names[:min(len(names), 16)], ", "))
}

// An arn is the ARN of a method. Nothing of it that the client wrote is ever copied.
type arn struct {
	stage  string // up to and with the stage: arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod
	method string // or "$connect"
	path   string // with its slash
}

// parseARN takes the ARN of a method apart. Wildcards are refused everywhere except in the path, which is only
// compared. Emulators have names for the account and the API, such as "random-account-id". The error names the part
// that is wrong, and the character, and nothing else of the event.
func parseARN(s string) (a arn, err error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "execute-api" {
		return a, errors.New("it does not have the form arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH")
	}
	if !strings.HasPrefix(p[1], "aws") {
		return a, errors.New(`its partition does not begin with "aws"`)
	}
	q := strings.SplitN(p[5], "/", 4)
	if len(q) < 3 {
		return a, errors.New("API, stage and method do not stand between slashes at its end")
	}
	stage := q[1]
	if stage == "$default" {
		stage = "default"
	}
	method := q[2]
	if method == connectRoute && len(q) == 3 {
		method = "CONNECT"
	}
	for _, part := range []struct{ name, value, also string }{
		{"partition", p[1], "-"}, {"region", p[3], "-_"}, {"account", p[4], "-_"}, {"API", q[0], "-_"}, {"stage", stage, "-_"}, {"method", method, "-"},
	} {
		if err := checkPlain(part.name, part.value, part.also); err != nil {
			return a, err
		}
	}
	a.stage = s[:len(s)-len(p[5])] + q[0] + "/" + q[1]
	if len(q[1]) > 128 || len(a.stage) >= 512-maxPath {
		return a, fmt.Errorf("it has %d bytes up to its stage: at most %d are allowed, and 128 for the stage", len(a.stage), 511-maxPath)
	}
	a.method, a.path = q[2], "/"
	if len(q) == 4 {
		a.path += q[3]
	}
	return a, nil
}

// checkPlain refuses a part of an ARN that is empty or has a character other than letters, digits and those of also.
func checkPlain(name, s, also string) error {
	if s == "" {
		return fmt.Errorf("its %s is empty", name)
	}
	for _, c := range s {
		if !plain(string(c), also) {
			return fmt.Errorf("its %s has the character %q: letters, digits and %q are allowed", name, c, also)
		}
	}
	return nil
}

// plain reports whether s consists of letters, digits and the bytes of also.
func plain(s, also string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return s != ""
}

// header returns the header of the request, with all values of all spellings of a name. Where headers and
// multiValueHeaders differ, both count: two tokens are refused.
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

// sources returns the values of the identity sources of an HTTP API; nil if it has none, and so no cache. The events of
// REST APIs do not have them.
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

// sent reports whether the client sent s in a place that may be an identity source. Several values of one name come
// with commas between them.
func (e *wire) sent(s string) bool {
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
