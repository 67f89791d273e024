package lambdahttp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
)

// An Event is what the platform said of a request beside the request itself. No client can write any of it.
type Event struct {
	Kind       Kind
	RequestID  string     // API Gateway's or the function URL's own, as in their logs; a load balancer has none
	APIID      string     // of API Gateway, or of the function URL
	Stage      string     // "$default" where an HTTP API has no other, and for function URLs
	DomainName string     // the host the client called
	Route      string     // "/users/{id}" of a REST API, "GET /users/{id}" or "$default" of an HTTP API
	SourceIP   netip.Addr // the client, as RemoteAddr has it; not valid where the platform names none

	// TargetGroup is the ARN of the load balancer's target group.
	TargetGroup string

	// StageVariables are those of the API's stage; nil if there are none.
	StageVariables map[string]string

	// Raw is the event itself, for what has no field here. It may be read until the handler returns.
	Raw json.RawMessage

	authorizer json.RawMessage
}

type eventKey struct{}

// From returns the event behind a request, from the context of the request. It is false where the request came over a
// connection.
func From(ctx context.Context) (*Event, bool) {
	e, ok := ctx.Value(eventKey{}).(*Event)
	return e, ok
}

func newEvent(e *wire, k Kind, payload []byte) *Event {
	c := &e.Context
	ev := &Event{
		Kind: k, RequestID: c.RequestID, APIID: c.APIID, Stage: c.Stage, DomainName: c.DomainName,
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

// An Authorizer is what an authorizer of API Gateway let through about the caller.
type Authorizer struct {
	// Principal is the principalId of a Lambda authorizer's policy.
	Principal string

	// Claims are those of the token a JWT authorizer or a Cognito authorizer has checked. API Gateway makes a string of
	// each: a list of a and b is "[a b]". Nil if there was no such authorizer, whatever a Lambda authorizer says.
	Claims map[string]string

	// Scopes are those of the token that the route asks for, if it asks for any (HTTP APIs).
	Scopes []string

	// Context is what a Lambda authorizer passed on: strings, json.Number and booleans, or any JSON with payload 2.0. A
	// REST API makes strings of some.
	Context map[string]any
}

// Authorizer returns what the authorizer in front of the function said; it is zero where there was none. It decodes on
// each call.
func (e *Event) Authorizer() (a Authorizer) {
	var members map[string]json.RawMessage
	if json.Unmarshal(e.authorizer, &members) != nil {
		return a
	}
	if e.Kind == HTTP2 || e.Kind == FunctionURL {
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
		_ = json.Unmarshal(members["scopes"], &a.Scopes) // where they are no list, the route asks for none
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

// claims reads an object of claims; it is nil for anything else.
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

// anyOf decodes a value, numbers as they are written; nil if there is none.
func anyOf(raw json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}
