package lambdahttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Format is the form of an event, which depends on its sender.
type Format string

const (
	REST        Format = "rest"         // API Gateway, REST API
	HTTP1       Format = "http-1.0"     // API Gateway, HTTP API with payload format 1.0
	HTTP2       Format = "http-2.0"     // API Gateway, HTTP API with payload format 2.0, their default
	FunctionURL Format = "function-url" // the function's own URL
	ALB         Format = "alb"          // Application Load Balancer
)

// ErrNotHTTP is returned for an event other than an HTTP request, if there is no Config.Fallback. Its text names the
// members of the event, never their values.
var ErrNotHTTP = errors.New("lambdahttp: not an HTTP request")

// wire has the members of every kind of event, so that one decode is enough. Members that most requests don't need stay
// raw.
type wire struct {
	Version        string          `json:"version"`
	Type           string          `json:"type"`
	Resource       string          `json:"resource"`
	RouteKey       string          `json:"routeKey"`
	Method         string          `json:"httpMethod"`
	Path           string          `json:"path"`
	RawPath        string          `json:"rawPath"`
	RawQuery       string          `json:"rawQueryString"`
	Cookies        []string        `json:"cookies"`
	Headers        json.RawMessage `json:"headers"`
	MultiHeaders   fields          `json:"multiValueHeaders"`
	Query          json.RawMessage `json:"queryStringParameters"`
	MultiQuery     fields          `json:"multiValueQueryStringParameters"`
	PathParameters json.RawMessage `json:"pathParameters"`
	StageVariables json.RawMessage `json:"stageVariables"`
	Body           string          `json:"body"`
	Base64         bool            `json:"isBase64Encoded"`
	Context        struct {
		APIID        string          `json:"apiId"`
		Stage        string          `json:"stage"`
		RequestID    string          `json:"requestId"`
		DomainName   string          `json:"domainName"`
		DomainPrefix string          `json:"domainPrefix"`
		ConnectionID string          `json:"connectionId"`
		ServiceARN   string          `json:"serviceArn"`
		Authorizer   json.RawMessage `json:"authorizer"`
		HTTP         struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		Identity struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		ELB *struct {
			TargetGroupARN string `json:"targetGroupArn"`
		} `json:"elb"`
	} `json:"requestContext"`
}

// kind returns the format of the event, or in other what it seems to be instead. The order matters: events of VPC
// Lattice have version 2.0 too, messages of a WebSocket have an httpMethod, and accountId and routeKey occur in
// several formats.
func (e *wire) kind() (k Format, other string) {
	switch c := &e.Context; {
	case e.Type == "TOKEN" || e.Type == "REQUEST":
		return "", "a request to a Lambda authorizer"
	case e.Version == "2.0" && c.HTTP.Method != "":
		if strings.Contains(c.DomainName, ".lambda-url.") {
			return FunctionURL, ""
		}
		return HTTP2, ""
	case c.ELB != nil && e.Method != "":
		return ALB, ""
	case c.ConnectionID != "":
		return "", "an event of a WebSocket API"
	case c.ServiceARN != "":
		return "", "a request of VPC Lattice"
	case e.Method == "" || e.Path == "":
		return "", "an event of another source"
	case e.Version == "1.0":
		return HTTP1, ""
	}
	return REST, ""
}

// api reports whether API Gateway sent the event, which puts stages into paths.
func (k Format) api() bool { return k == REST || k == HTTP1 || k == HTTP2 }

// decoded reports whether the path of such an event has been percent-decoded on its way. HTTP APIs do that.
func (k Format) decoded() bool { return k == HTTP1 || k == HTTP2 }

// maxNames is how many members of an unknown event its error names.
const maxNames = 16

// notHTTP describes an event by the names of its members; the values may be secrets.
func notHTTP(payload []byte, other string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return fmt.Errorf("%w: the event is not a JSON object", ErrNotHTTP)
	}
	names := slices.Sorted(maps.Keys(members))
	more := ""
	if len(names) > maxNames {
		names, more = names[:maxNames], ", …"
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%.40q", name)
	}
	return fmt.Errorf("%w but %s, with %s%s: set Config.Fallback to answer it", ErrNotHTTP, other, strings.Join(names, ", "), more)
}
