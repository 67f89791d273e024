package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/session"
)

// A ClaimsReader makes sessions of verified claims: a *session.Kind or a *session.External.
type ClaimsReader[T any] interface {
	GuardVerifiedClaims(verified func(*http.Request) (claims []byte, cookie bool, err error)) session.Guard
	From(ctx context.Context) (s *session.Session[T], ok bool)
}

// FromAuthorizer returns a guard for the function behind API Gateway. It trusts the authorizer in front: a Lambda
// authorizer of this package, or a JWT authorizer of an HTTP or a REST API. It does not verify the token again; it
// checks issuer, audience, kind, times, and the needs of the route.
//
//	mux.Handle("GET /orders", gateway.FromAuthorizer(user).Require(orders, session.Scope("orders:read")))
//	lambdahttp.Start(mux)
//
// The handler orders finds the session with user.From. A request without an authorizer's context (another route,
// another front end) is a 401. A request that changes something with a session from a cookie must come from a trusted
// page, here too.
//
// A JWT authorizer of an HTTP API turns all claims into strings; the list "a b", "c" becomes "[a b c]". A session of
// a Kind can be read from that, unless its T is a list, an interface or writes its own JSON. Of a session of an
// External, only what is certain can be read: no Roles and no Authentication.Methods; Scopes if scope or scp is a
// string; fields of T that are strings (with the text of the claim, whatever it was), booleans or numbers. If T has
// other fields, the answer is a 500 and [ErrStrings] is logged. A Lambda authorizer, and the JWT authorizer of a REST
// API, keep all types.
//
// A caller who can invoke the function in another way can write any event. So let only API Gateway invoke it, by a
// resource policy with the ARN of the API as the source.
func FromAuthorizer[T any](k ClaimsReader[T]) session.Guard {
	from := readerOf[T](k)
	return k.GuardVerifiedClaims(func(r *http.Request) ([]byte, bool, error) {
		e, ok := lambdahttp.From(r.Context())
		if !ok || e.Format != lambdahttp.REST && e.Format != lambdahttp.HTTP1 && e.Format != lambdahttp.HTTP2 {
			return nil, false, session.ErrMissing
		}
		return from.claims(e.Raw)
	})
}

// Read returns the session that the authorizer in front let in, from the event of a function: of a REST, HTTP or
// WebSocket API (each message has what the authorizer of $connect returned), or of a Lambda resolver of AppSync. See
// [FromAuthorizer] for when to trust it. The times are checked: a connection outlives the token it began with.
//
// Errors are session.ErrMissing without an authorizer in front, ErrStrings, and those of
// [session.Kind.FromVerifiedClaims].
func Read[T any](ctx context.Context, k interface {
	FromVerifiedClaims(ctx context.Context, claims []byte) (*session.Session[T], error)
}, event []byte) (*session.Session[T], error) {
	claims, _, err := readerOf[T](k).claims(event)
	if err != nil {
		return nil, err
	}
	return k.FromVerifiedClaims(ctx, claims)
}

type members = map[string]json.RawMessage

// claims makes claims of an authorizer's context. It reads only version, requestContext and identity, which AWS writes.
func (from *reader) claims(event []byte) (claims []byte, cookie bool, err error) {
	var e struct {
		Version string `json:"version"`
		Context struct {
			Authorizer json.RawMessage `json:"authorizer"`
			APIID      string          `json:"apiId"`
		} `json:"requestContext"`
		Identity struct {
			Resolver members `json:"resolverContext"`
		} `json:"identity"`
	}
	if json.Unmarshal(event, &e) != nil {
		return nil, false, session.ErrMissing
	}
	values := e.Identity.Resolver
	var token json.RawMessage // the claims of a JWT authorizer
	switch {
	case e.Context.APIID == "":
	case e.Version == "2.0":
		values = objectOf(e.Context.Authorizer)
		token, values = objectOf(values["jwt"])["claims"], objectOf(values["lambda"])
	default:
		// A Lambda authorizer can't pass an object on here, so an object under claims is API Gateway's own.
		values = objectOf(e.Context.Authorizer)
		token = values["claims"]
	}
	if members := objectOf(token); members != nil {
		if e.Version == "" { // a REST API keeps types
			return token, false, nil
		}
		claims, err = from.strings(members)
		return claims, false, err
	}
	if len(values["sub"]) == 0 {
		return nil, false, session.ErrMissing
	}
	cookie = textOf(values[keyCookie]) == "true"
	if len(values["type"]) == 0 { // a token of another issuer: properties has all of it
		return jsonOf(textOf(values["properties"])), cookie, nil
	}
	return fromContext(values), cookie, nil
}

func objectOf(raw json.RawMessage) (m members) {
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// textOf returns a string as it is, and the text of another scalar: API Gateway turns some of them into strings.
func textOf(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// fromContext makes claims of the context that an Authorizer wrote.
func fromContext(values members) []byte {
	out := make(map[string]json.RawMessage, len(values))
	for name, raw := range values {
		switch name {
		case "iss", "aud", "sub", "sid", "jti", "type", "client_id", "scope":
			out[name] = quote(textOf(raw))
		case "exp", "iat", "auth_time", keyRights:
			out[name] = numberOf(textOf(raw))
		case "roles", "amr":
			out[name] = list(textOf(raw))
		case "properties":
			out[name] = jsonOf(textOf(raw))
		case keyActor:
			out["act"] = join(members{"sub": quote(textOf(raw))})
		case keyClaims:
			out["claims"] = jsonOf(textOf(raw))
		}
	}
	return join(out)
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // strings always marshal
	return b
}

func list(s string) json.RawMessage {
	b, _ := json.Marshal(strings.Fields(s))
	return b
}

// numberOf returns s as a number, or else as a string, which is refused later.
func numberOf(s string) json.RawMessage {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return quote(s)
	}
	return jsonOf(s)
}

// jsonOf returns s if it is JSON, or else s as a string, which is refused later.
func jsonOf(s string) json.RawMessage {
	if !json.Valid([]byte(s)) {
		return quote(s)
	}
	return json.RawMessage(s)
}

func join(m map[string]json.RawMessage) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return nil // can't be, of valid parts; refused as a token
	}
	return b
}
