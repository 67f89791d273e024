package lambdahttp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
)

// An Event has what the platform adds to a request. No client can write any of it.
type Event struct {
	Format     Format
	RequestID  string     // API Gateway's or the function URL's own, as in their logs; a load balancer has none
	APIID      string     // of API Gateway, or of the function URL
	Stage      string     // "$default" where an HTTP API has no other, and for function URLs
	DomainName string     // the host the client called
	Route      string     // "/users/{id}" of a REST API, "GET /users/{id}" or "$default" of an HTTP API
	SourceIP   netip.Addr // of the client, as in RemoteAddr; not valid if the platform names none

	// TargetGroup is the ARN of the load balancer's target group.
	TargetGroup string

	// StageVariables are those of the API's stage; nil if there are none.
	StageVariables map[string]string

	// Raw is the whole event. It may be read until the handler returns.
	Raw json.RawMessage

	authorizer json.RawMessage
}

type eventKey struct{}

// From returns the event of a request, from the context of the request. It is false if the request came over a
// connection.
func From(ctx context.Context) (*Event, bool) {
	e, ok := ctx.Value(eventKey{}).(*Event)
	return e, ok
}

func newEvent(e *wire, k Format, payload []byte) *Event {
	c := &e.Context
	ev := &Event{
		Format: k, RequestID: c.RequestID, APIID: c.APIID, Stage: c.Stage, DomainName: c.DomainName,
		Route: e.Resource, Raw: payload, authorizer: c.Authorizer,
	}
	if k == HTTP2 || k == FunctionURL {
		ev.Route = e.RouteKey
	}
	if c.ELB != nil {
		ev.TargetGroup = c.ELB.TargetGroupARN
	}
	if vars, _ := parse(e.StageVariables); len(vars) > 0 {
		ev.StageVariables = make(map[string]string, len(vars))
		for _, v := range vars {
			ev.StageVariables[v.name] = v.value
		}
	}
	return ev
}

// An AuthorizerContext is the data that an authorizer of API Gateway returned about the caller.
type AuthorizerContext struct {
	// Principal is the principalId of a Lambda authorizer's policy.
	Principal string

	// Claims are the claims of the token that a JWT authorizer or a Cognito authorizer has checked. API Gateway turns
	// each into a string: a list of a and b is "[a b]". Nil without such an authorizer; a Lambda authorizer can't set
	// them.
	Claims map[string]string

	// Scopes are the scopes of the token that the route requires, if it requires any (HTTP APIs).
	Scopes []string

	// Context is the context that a Lambda authorizer returned: strings, json.Number and booleans, or any JSON with
	// payload 2.0. A REST API turns some of them into strings.
	Context map[string]any
}

// AuthorizerContext returns the context of the authorizer in front of the function; it is zero without an authorizer.
// It decodes on each call.
func (e *Event) AuthorizerContext() (a AuthorizerContext) {
	var members map[string]json.RawMessage
	if json.Unmarshal(e.authorizer, &members) != nil {
		return a
	}
	if e.Format == HTTP2 || e.Format == FunctionURL {
		var jwt struct {
			Claims json.RawMessage `json:"claims"`
			Scopes []string        `json:"scopes"`
		}
		if json.Unmarshal(members["jwt"], &jwt) == nil {
			a.Claims, a.Scopes = claims(jwt.Claims), jwt.Scopes
		}
		a.Context, _ = anyOf(members["lambda"]).(map[string]any)
		return a
	}
	// REST APIs and payload 1.0 have one flat object. A Lambda authorizer can only put text and numbers there, so an
	// object of claims is API Gateway's own.
	if a.Claims = claims(members["claims"]); a.Claims != nil {
		_ = json.Unmarshal(members["scopes"], &a.Scopes) // if they are not a list, the route requires none
		delete(members, "claims")
		delete(members, "scopes")
	}
	a.Principal, _ = anyOf(members["principalId"]).(string)
	delete(members, "principalId")
	delete(members, "integrationLatency") // API Gateway's own
	for name, raw := range members {
		if v := anyOf(raw); v != nil {
			if a.Context == nil {
				a.Context = make(map[string]any, len(members))
			}
			a.Context[name] = v
		}
	}
	return a
}

// claims reads an object of claims; it returns nil for anything else.
func claims(raw json.RawMessage) map[string]string {
	var list fields
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, c := range list {
		out[c.name] = c.value
	}
	return out
}

// anyOf decodes a value, numbers as they are written. It returns nil if there is none.
func anyOf(raw json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}
