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
// token, or the values of a session.KindClaim.
type Session = session.Session[json.RawMessage]

// A Route is what some methods and paths need beyond what the guard asks for.
type Route struct {
	// Method is GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, or ANY for all of these. Default: ANY.
	Method string

	// Path begins with a slash and has no stage. "*" stands for any text, slashes included, as it does in the policies of
	// AWS: "/orders/*" has all below /orders, but not /orders itself. It is compared with the path as API Gateway has it:
	// what resolves ".." or decodes again behind it decides on another path, and should ask for the needs itself. For the
	// route of a WebSocket API it is "$connect", without a method.
	Path string

	// Needs of the route; none: a session is enough.
	Needs []session.Need
}

// A Field is a field of a GraphQL schema that has needs of its own.
type Field struct {
	Name  string // "Type.field", such as "Mutation.deleteUser", or the ARN of the field
	Needs []session.Need
}

// OnInvalid says how requests without a valid token are turned away.
type OnInvalid uint8

const (
	// Unauthorized answers by the error "Unauthorized", which is a 401, what a handler would answer by one: no token, a bad
	// one, or needs that a new sign-in would meet (session.Fresh), where the answer may depend on them: Uncached, and
	// $connect. It is never cached. Lambda counts it as an error of the function, so an alarm on errors goes off at each
	// bad token. HTTP APIs with simple responses get a no: status 403.
	//
	// AWS documents that 401 for REST and WebSocket APIs. For HTTP APIs it documents none, neither with policies, in
	// format 1.0 or 2.0, nor with simple responses: try it with yours.
	Unauthorized OnInvalid = iota
	// Deny answers by a policy that denies, or a no: status 403, cached like any, no error to Lambda.
	Deny
	// UnauthorizedAlways is Unauthorized for HTTP APIs with format 2.0 and simple responses as well. Where it is a 401,
	// clients know that they are to refresh.
	UnauthorizedAlways
)

// Config of an [Authorizer]. Guard is required.
type Config struct {
	// Guard says which tokens are good, and what they all need: a session.Kind, a session.Foreign, one of them With needs,
	// or session.AnyOf several.
	Guard session.Guard

	// Routes are the routes that may be called. The one that fits a request best decides: one within another comes
	// first, and of two that overlap otherwise both must agree. Besides, what lies within a route whose needs are not
	// met, itself within one whose needs are met, is refused: policies know no exception to an exception. A request
	// that fits none is refused. Default: a session may call all of the stage.
	Routes []Route

	// Fields are those of a GraphQL schema (AppSync) that need more than the guard asks for: without, they are null.
	Fields []Field

	// Uncached says that API Gateway keeps no results of this authorizer: authorizerResultTtlInSeconds is 0. Only then
	// does an answer depend on more than the Authorization header and the route: tokens are taken from cookies as well,
	// where a request that changes something must come from a trusted page; a 403 says which needs are not met; and yes
	// or no (HTTP 2.0) is said of the path. Default: results may be cached by the Authorization header, and cookies are
	// not read.
	//
	// With true and a cache after all, one person's cookie could open the door for another. WebSocket APIs have no cache
	// and need no word of it.
	//
	// With false, the Authorization header must be among the identity sources. Events of HTTP APIs tell theirs, and Invoke
	// says so if it is not there. Those of REST APIs don't tell: nothing notices if [RESTSource] is missing, and then what
	// is said of one token holds for others.
	Uncached bool

	// Policies answers HTTP APIs with payload format 2.0 by a policy, for authorizers without EnableSimpleResponses: one
	// policy is right for all routes, also where API Gateway caches it. Default: yes or no (isAuthorized).
	Policies bool

	// OnInvalid is what a request without a valid token gets. AppSync gets the one answer it documents, a no, which is a
	// 401. Default: Unauthorized.
	OnInvalid OnInvalid

	// Query is the query parameter that may carry the token of a WebSocket, whose client can set no header. URLs end up
	// in logs, so let it be a token of a short life. Default: the query is not read.
	Query string

	// TTL is how long AppSync may keep an answer, up to an hour: ttlOverride is that, or what is left of the token's
	// life if it is less; 0 if Uncached. API Gateway has no such word, its setting holds. Default: TTL.
	TTL time.Duration

	// WithoutProperties leaves the properties of a session out of the context, of which 8 KB is all there may be. Read and
	// Trusted do not know the session then. Default: they are in.
	WithoutProperties bool

	// Context adds values to the context: strings, booleans, integers and floats under names of its own. It must not put
	// secrets there: whoever reads the logs of the API reads the context. Default: none.
	Context func(s *Session) map[string]any

	// UsageKey is the API key of a usage plan that a request counts for (REST APIs with apiKeySource AUTHORIZER), which
	// must exist there. Default: none.
	UsageKey func(s *Session) string

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// An Authorizer is the handler of a Lambda function that decides on requests. It is safe for concurrent use.
type Authorizer struct {
	config    Config
	inspector *session.Inspector
	rules     []rule
	connect   int // the list of needs of $connect; -1: nobody may connect
}

// A rule is one method of a route: the session must meet the needs of list n.
type rule struct {
	pattern
	n int
}

// New checks the configuration. A need that does not fit the guard is a panic, as it is with Guard.Require.
func New(c Config) (*Authorizer, error) {
	if c.Guard == nil {
		return nil, errors.New("gateway: Config.Guard is missing: give a session.Kind or a session.Foreign")
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
	a := &Authorizer{config: c, connect: -1}
	var lists [][]session.Need
	size := 0
	for i, r := range c.Routes {
		lists = append(lists, r.Needs)
		if r.Path == connect && r.Method == "" {
			if a.connect >= 0 {
				return nil, errors.New("gateway: Config.Routes has $connect twice")
			}
			a.connect = i
			continue
		}
		all, err := patterns(r.Method, r.Path)
		if err != nil {
			return nil, fmt.Errorf("gateway: Config.Routes[%d]: %w", i, err)
		}
		for _, p := range all {
			for _, other := range a.rules {
				if other.pattern == p {
					return nil, fmt.Errorf("gateway: Config.Routes[%d]: %s %s is there already", i, p.method, p.path)
				}
			}
			a.rules = append(a.rules, rule{p, i})
			size += minARN + len(p.method) + len(p.path)
		}
	}
	if size > maxResult {
		return nil, fmt.Errorf("gateway: Config.Routes make a policy of %d bytes or more: at most %d are allowed; use fewer methods than ANY has, or wider paths", size, maxResult)
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
