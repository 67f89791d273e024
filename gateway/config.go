package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
)

// Session is a session of any type: its Properties are JSON. Its Claims are the whole payload of another issuer's
// token, or the values of a session.Claim.
type Session = session.Session[json.RawMessage]

// A Route has the needs of some methods and paths, in addition to those of the guard.
type Route struct {
	// Method is GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, or ANY for all of these. A route for GET is one for HEAD
	// too, as it is in net/http, unless Routes have one for HEAD with the same Path.
	//
	// Defaults to ANY.
	Method string

	// Path begins with a slash and has no stage. "*" stands for any text, slashes included, as in the policies of
	// AWS: "/orders/*" matches everything below /orders, but not /orders itself. It is compared with the path as API
	// Gateway has it; other spellings that a program behind may read as a closed path are refused
	// (docs/authorizers.md). For the route of a WebSocket API it is "$connect", without a method.
	Path string

	// Needs are the needs of the route.
	//
	// Defaults to none: any session of the guard may call it.
	Needs []session.Need
}

// A Field is a field of a GraphQL schema with needs, in addition to those of the guard.
type Field struct {
	Name  string // "Type.field", such as "Mutation.deleteUser", or the ARN of the field
	Needs []session.Need
}

// OnInvalid chooses the answer to a request without a valid token.
type OnInvalid uint8

const (
	// Unauthorized returns the error "Unauthorized", a 401, wherever a handler would answer 401: no token, a bad one,
	// or a need for a newer sign-in (session.Fresh). The latter only where the answer may depend on it: with
	// Uncached, and for $connect. API Gateway never keeps this answer. Lambda counts it as an error of the function,
	// so an alarm on errors goes off at each bad token. HTTP APIs with simple responses get a no instead: status 403.
	//
	// AWS documents this 401 for REST and WebSocket APIs. For HTTP APIs it documents none, in no format: try it with
	// yours.
	Unauthorized OnInvalid = iota
	// Deny answers with a policy that denies, or a no: status 403. API Gateway keeps it as it keeps any answer, and
	// Lambda counts no error.
	Deny
	// UnauthorizedAlways is Unauthorized for HTTP APIs with simple responses as well. Where API Gateway makes a 401
	// of it, clients know that they have to refresh.
	UnauthorizedAlways
)

// Config of an [Authorizer]. Guard is required.
type Config struct {
	// Guard decides which tokens are good, and has the needs of every request: a session.Kind, a session.External,
	// one of them With needs, or session.AnyOf several.
	Guard session.Guard

	// Routes are the routes that a session may call. The most specific route decides: a route inside another one comes
	// first, and if two overlap in another way, the needs of both must be met. There is one exception: if the needs of
	// /a are met and those of /a/b are not, then /a/b and everything inside it is closed, also a route /a/b/c whose
	// needs are met. A policy cannot open a part of what it closes. A request that matches no route is refused.
	//
	// Defaults to all of the stage.
	Routes []Route

	// Fields are the fields of a GraphQL schema (AppSync) with needs. If a need is not met, the field is null.
	Fields []Field

	// Uncached promises that API Gateway keeps no answers of this authorizer: authorizerResultTtlInSeconds is 0. Then
	// an answer depends on more than the Authorization header and the route:
	//   - tokens are read from cookies too, and a request that changes something must come from a trusted page;
	//   - a 403 names the needs that are not met;
	//   - the yes or no of an HTTP API (format 2.0) is about the path.
	//
	// With true and a cache in place, the cookie of one person could let in another one. WebSocket APIs have no cache
	// and do not need this field.
	//
	// With false, the Authorization header must be among the identity sources. The event of an HTTP API lists them,
	// and Invoke returns an error if the header is missing. The event of a REST API does not: if [RESTSource] is
	// missing there, no error shows it, and the answer for one token is used for others.
	//
	// Defaults to false.
	Uncached bool

	// Policies answers HTTP APIs with payload format 2.0 by a policy, for authorizers without EnableSimpleResponses.
	// One policy is right for all routes, also where API Gateway keeps it.
	//
	// Defaults to a yes or no (isAuthorized).
	Policies bool

	// OnInvalid is the answer to a request without a valid token. AppSync always gets the answer it documents, a no,
	// which is a 401.
	//
	// Defaults to Unauthorized.
	OnInvalid OnInvalid

	// Query is the query parameter that may carry the token of a WebSocket, whose client can't set a header. URLs end
	// up in logs, so use tokens with a short life.
	//
	// Defaults to none: the query is not read.
	Query string

	// TTL is how long AppSync may keep an answer, up to an hour. The answer never outlives the token, and is not kept
	// with Uncached. API Gateway ignores TTL and uses its own setting.
	//
	// Defaults to the constant TTL, a minute.
	TTL time.Duration

	// WithoutProperties leaves the properties of a session out of the context, which has room for 8 KB. Then
	// FromAuthorizer and Read find no session.
	//
	// Defaults to false.
	WithoutProperties bool

	// Context returns values to add to the context: strings, booleans, integers and floats, under names that are not
	// taken. Leave secrets out: the context can be read in the logs of the API.
	//
	// Defaults to none.
	Context func(s *Session) map[string]any

	// UsageKey returns the API key of the usage plan that a request counts for (REST APIs with apiKeySource
	// AUTHORIZER). The key must exist in API Gateway.
	//
	// Defaults to none.
	UsageKey func(s *Session) string

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// An Authorizer is the handler of a Lambda function that decides on requests. It is safe for concurrent use.
type Authorizer struct {
	config    Config
	inspector *session.Inspector
	rules     []rule
	spellings spellings
	connect   int // index of the route $connect; -1: nobody may connect
}

// New returns an Authorizer, or an error that names the field of c that is wrong. It panics on a need that does not fit
// the guard, as Guard.Require does.
func New(c Config) (*Authorizer, error) {
	if c.Guard == nil {
		return nil, errors.New("gateway: Config.Guard is missing: give a session.Kind or a session.External")
	}
	if c.OnInvalid > UnauthorizedAlways {
		return nil, fmt.Errorf("gateway: Config.OnInvalid is %d: give Unauthorized, Deny or UnauthorizedAlways", c.OnInvalid)
	}
	if c.TTL < 0 || c.TTL > time.Hour {
		return nil, fmt.Errorf("gateway: Config.TTL is %v: AppSync takes up to an hour", c.TTL)
	}
	if c.TTL == 0 {
		c.TTL = TTL
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Authorizer{config: c}
	var err error
	if a.rules, a.connect, err = rulesOf(c.Routes); err != nil {
		return nil, err
	}
	a.spellings = spellingsOf(a.rules)
	if size := policySize(a.rules, a.spellings); size > maxResult {
		return nil, fmt.Errorf("gateway: Config.Routes make a policy of %d bytes or more: at most %d are allowed; use fewer methods than ANY has, or wider paths", size, maxResult)
	}
	var lists [][]session.Need
	for _, r := range c.Routes {
		lists = append(lists, r.Needs)
	}
	for i, f := range c.Fields {
		if typ, field, ok := strings.Cut(f.Name, "."); !strings.HasPrefix(f.Name, "arn:") && (!ok || !plain(typ, "_") || !plain(field, "_")) {
			return nil, fmt.Errorf(`gateway: Config.Fields[%d] is %q: write it as "Mutation.deleteUser"`, i, f.Name)
		}
		lists = append(lists, f.Needs)
	}
	a.inspector = session.Inspect(c.Guard, lists...)
	return a, nil
}
