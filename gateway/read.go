package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/session"
)

// A Kind is a *session.Kind or a *session.Foreign.
type Kind[T any] interface {
	Behind(told func(*http.Request) (claims []byte, cookie bool, err error)) session.Guard
	From(ctx context.Context) (s *session.Session[T], ok bool)
}

// Trusted is a guard for the function behind API Gateway, which believes the authorizer in front of it: a Lambda
// authorizer of this package, or a JWT authorizer of an HTTP or a REST API. The token is not verified again; issuer,
// audience, kind and times are, and the needs of the route.
//
//	mux.Handle("GET /orders", gateway.Trusted(user).Require(orders, session.Scope("orders:read")))
//	lambdahttp.Start(mux)
//
// orders finds the session with user.From. A request whose event has nothing of an authorizer (another route, another
// front end) has no session: 401. A session that came by cookie must, to change something, come from a trusted page,
// here too.
//
// A JWT authorizer of an HTTP API makes strings of all claims, and a list of "a b" and "c" is "[a b c]" then. A session of
// a Kind comes through whole, unless its T is itself a list, an interface or writes its own JSON. Of a Foreign only
// what is sure comes through: no Roles, no Auth.Methods, and Scopes from a scope or scp that is a string; of T, fields
// that are strings (with the text of whatever the claim was), booleans and numbers. Where T has others, the answer is a
// 500, and the log has [ErrStrings]: what it lacks could matter. A Lambda authorizer, and the JWT authorizer of a REST
// API, pass on all types.
//
// This is as safe as the function is closed: whoever may invoke it otherwise can write an event that says anything. Let
// API Gateway alone invoke it, by its resource policy, with the ARN of the API as the source.
func Trusted[T any](k Kind[T]) session.Guard {
	from := readerOf[T](k)
	return k.Behind(func(r *http.Request) ([]byte, bool, error) {
		e, ok := lambdahttp.From(r.Context())
		if !ok || e.Kind != lambdahttp.REST && e.Kind != lambdahttp.HTTP1 && e.Kind != lambdahttp.HTTP2 {
			return nil, false, session.ErrMissing
		}
		return from.claims(e.Raw)
	})
}

// Read returns the session that the authorizer in front let in, from the event of a function: of a REST, HTTP or
// WebSocket API (each message has what the authorizer of $connect said), or of a Lambda resolver of AppSync. See
// [Trusted] for when that may be believed. The times are checked: a connection outlives the token it began with.
//
// Errors are ErrMissing without an authorizer in front, ErrStrings, and those of [session.Kind.Accept].
func Read[T any](ctx context.Context, k interface {
	Accept(ctx context.Context, claims []byte) (*session.Session[T], error)
}, event []byte) (*session.Session[T], error) {
	claims, _, err := readerOf[T](k).claims(event)
	if err != nil {
		return nil, err
	}
	return k.Accept(ctx, claims)
}

type members = map[string]json.RawMessage

// claims finds what an authorizer said and makes claims of it. Only version, requestContext and identity are looked at,
// which are written by AWS.
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
	said := e.Identity.Resolver
	if e.Context.APIID != "" {
		if said = objectOf(e.Context.Authorizer); e.Version == "2.0" {
			if jwt := objectOf(said["jwt"]); jwt != nil {
				said = members{"claims": jwt["claims"]}
			} else {
				said = objectOf(said["lambda"])
			}
		}
	}
	// A Lambda authorizer has no way to pass an object on, so one of claims is API Gateway's own.
	if token := objectOf(said["claims"]); token != nil {
		if e.Version == "" { // a REST API leaves types alone
			return said["claims"], false, nil
		}
		claims, err = from.strings(token)
		return claims, false, err
	}
	if len(said["sub"]) == 0 {
		return nil, false, session.ErrMissing
	}
	cookie = textOf(said[keyCookie]) == "true"
	if len(said["type"]) == 0 { // a token of another issuer: all of it is there
		return jsonOf(textOf(said["properties"])), cookie, nil
	}
	return fromContext(said), cookie, nil
}

func objectOf(raw json.RawMessage) (m members) {
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// textOf is a string as it is, and of another scalar its text: API Gateway makes strings of some, and not of all.
func textOf(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// fromContext makes claims of what context of an Authorizer says.
func fromContext(said members) []byte {
	out := make(map[string]json.RawMessage, len(said))
	for name, raw := range said {
		switch name {
		case "iss", "aud", "sub", "sid", "jti", "type", "client_id", "scope":
			out[name] = quote(textOf(raw))
		case "exp", "iat", "auth_time":
			out[name] = numberOf(textOf(raw))
		case "roles", "amr":
			out[name] = list(textOf(raw))
		case "properties":
			out[name] = jsonOf(textOf(raw))
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

// numberOf is s as a number, and else as a string, for which it is refused.
func numberOf(s string) json.RawMessage {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return quote(s)
	}
	return jsonOf(s)
}

// jsonOf is s as the JSON it should be, and else as a string, for which it is refused.
func jsonOf(s string) json.RawMessage {
	if !json.Valid([]byte(s)) {
		return quote(s)
	}
	return json.RawMessage(s)
}

func join(m map[string]json.RawMessage) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return nil // of valid parts; nothing is no token
	}
	return b
}
