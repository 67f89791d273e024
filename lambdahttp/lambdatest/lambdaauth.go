package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// NoCache as a TTL turns the caching of authorizer results off.
const NoCache time.Duration = -1

const (
	defaultTTL = 300 * time.Second
	maxTTL     = 3600 * time.Second
	maxResult  = 8 << 10 // of an authorizer, in bytes; documented for WebSocket APIs
)

// Types of Lambda authorizers.
const (
	TokenAuthorizer   = "TOKEN"   // one header; REST APIs only
	RequestAuthorizer = "REQUEST" // the request without its body
)

// A LambdaAuthorizer is a function that decides on requests. The same pointer in several routes is one authorizer, with
// one cache.
//
// A result is kept for TTL under the values of the identity sources. REST APIs and HTTP APIs keep the policy, and
// evaluate it for each route that is called: a policy for one route alone refuses all others until it expires. The
// yes or no of a simple response is kept in the same way, and is used for every route.
//
// An error whose message is exactly "Unauthorized" is a 401; any other error, a timeout, and a result that breaks a
// rule are a 500. None of them is kept. AWS does not document the 401 for HTTP APIs.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
type LambdaAuthorizer struct {
	// Function decides. Required.
	Function Function
	// Type is [TokenAuthorizer] or [RequestAuthorizer].
	// Defaults to RequestAuthorizer.
	Type string
	// PayloadVersion is "1.0" or "2.0". HTTP APIs only.
	// Defaults to "2.0".
	PayloadVersion string
	// SimpleResponses means that the function returns isAuthorized instead of a policy. Payload version 2.0 only.
	SimpleResponses bool
	// IdentitySource lists expressions such as "method.request.header.Authorization" (REST),
	// "$request.header.Authorization" (HTTP) or "route.request.querystring.token" (WebSocket). A request without one
	// of them is answered 401, and the function is not called; except that REST APIs always call a REQUEST authorizer
	// without a cache.
	// Defaults to the Authorization header, if the result is kept or Type is TokenAuthorizer.
	IdentitySource []string
	// IdentityValidation is a regular expression for the token; one that does not match is a 401 without a call.
	// TokenAuthorizer only.
	IdentityValidation string
	// TTL is how long a result is kept, at most an hour, in whole seconds. [NoCache] turns caching off. WebSocket
	// APIs keep nothing.
	// Defaults to 300 s.
	TTL time.Duration
	// Timeout is how long the function may take.
	// Defaults to 10 s.
	Timeout time.Duration
}

// lambdaGuard is a LambdaAuthorizer in one gateway.
type lambdaGuard struct {
	g       *Gateway
	a       LambdaAuthorizer
	sources []source
	valid   *regexp.Regexp
	must    bool // identity sources must be present
	cacheOn bool

	mu    sync.Mutex
	cache map[string]cached
}

type cached struct {
	grant   *grant
	expires time.Time
}

// A grant is the result of an authorizer, checked.
type grant struct {
	policy    *policy // nil for a simple response
	allowed   bool    // of a simple response
	principal string
	context   map[string]any
	usageKey  string
}

func (a *LambdaAuthorizer) compile(g *Gateway, _ *Route) (guard, error) {
	l := &lambdaGuard{g: g, a: *a, cache: map[string]cached{}}
	a = &l.a
	setDefault(&a.Type, RequestAuthorizer)
	setDefault(&a.TTL, defaultTTL)
	setDefault(&a.Timeout, 10*time.Second)
	isHTTP := g.cfg.Type.http() && !g.websocket
	if isHTTP {
		setDefault(&a.PayloadVersion, "2.0")
	}
	l.cacheOn = a.TTL != NoCache && !g.websocket
	switch {
	case a.Function == nil:
		return nil, errors.New("LambdaAuthorizer.Function is nil")
	case a.Type != TokenAuthorizer && a.Type != RequestAuthorizer:
		return nil, fmt.Errorf("LambdaAuthorizer.Type: there is no %q", a.Type)
	case a.Type == TokenAuthorizer && (g.cfg.Type != REST || g.websocket):
		return nil, errors.New("LambdaAuthorizer.Type: only REST APIs have TOKEN authorizers")
	case !isHTTP && (a.PayloadVersion != "" || a.SimpleResponses):
		return nil, errors.New("LambdaAuthorizer: PayloadVersion and SimpleResponses are for HTTP APIs")
	case isHTTP && a.PayloadVersion != "1.0" && a.PayloadVersion != "2.0":
		return nil, fmt.Errorf("LambdaAuthorizer.PayloadVersion: there is no %q", a.PayloadVersion)
	case a.SimpleResponses && a.PayloadVersion != "2.0":
		return nil, errors.New("LambdaAuthorizer.SimpleResponses need payload version 2.0")
	case a.IdentityValidation != "" && a.Type != TokenAuthorizer:
		return nil, errors.New("LambdaAuthorizer.IdentityValidation is for TOKEN authorizers")
	case a.TTL != NoCache && (a.TTL < 0 || a.TTL > maxTTL || a.TTL%time.Second != 0):
		return nil, errors.New("LambdaAuthorizer.TTL must be whole seconds, at most an hour, or NoCache")
	case a.Timeout < 0:
		return nil, errors.New("LambdaAuthorizer.Timeout must not be negative")
	case a.Type == TokenAuthorizer && len(a.IdentitySource) > 1:
		return nil, errors.New("LambdaAuthorizer.IdentitySource: a TOKEN authorizer has one header")
	}
	if len(a.IdentitySource) == 0 && (l.cacheOn || a.Type == TokenAuthorizer) {
		a.IdentitySource = []string{"$request.header.Authorization"}
		if !isHTTP {
			a.IdentitySource = []string{"method.request.header.Authorization"}
		}
	}
	if a.Type == TokenAuthorizer && !strings.HasPrefix(a.IdentitySource[0], "method.request.header.") {
		return nil, errors.New("LambdaAuthorizer.IdentitySource: the token of a TOKEN authorizer is in a header")
	}
	for _, expr := range a.IdentitySource {
		s, err := g.identitySource(expr)
		if err != nil {
			return nil, fmt.Errorf("LambdaAuthorizer.IdentitySource: %w", err)
		}
		l.sources = append(l.sources, s)
	}
	if a.IdentityValidation != "" {
		var err error
		if l.valid, err = regexp.Compile(a.IdentityValidation); err != nil {
			return nil, fmt.Errorf("LambdaAuthorizer.IdentityValidation: %w", err)
		}
	}
	l.must = a.Type == TokenAuthorizer || l.cacheOn || g.websocket || isHTTP
	return l, nil
}

func (l *lambdaGuard) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.cache)
}

func (l *lambdaGuard) authorize(ctx context.Context, c *call) (map[string]any, *refusal) {
	values := make([]string, len(l.sources))
	for i, s := range l.sources {
		values[i] = s(c)
		if values[i] == "" && l.must {
			return nil, unauthorized("the identity source " + l.a.IdentitySource[i] + " is missing")
		}
	}
	if l.valid != nil && !l.valid.MatchString(values[0]) {
		return nil, unauthorized("the token does not match IdentityValidation")
	}
	began := l.g.cfg.Now()
	key := cacheKey(values)
	gr := l.lookup(key)
	c.cached = gr != nil
	if gr == nil {
		var refused *refusal
		if gr, refused = l.invoke(ctx, c, values); refused != nil {
			return nil, refused
		}
		if l.cacheOn {
			l.mu.Lock()
			l.cache[key] = cached{grant: gr, expires: l.g.cfg.Now().Add(l.a.TTL)}
			l.mu.Unlock()
		}
	}
	c.usageKey = gr.usageKey
	c.denied = map[string]any{}
	for k, v := range gr.context {
		c.denied[k] = v
	}
	if gr.policy != nil {
		c.denied["principalId"] = gr.principal
	}
	if refused := l.decide(c, gr); refused != nil {
		return nil, refused
	}
	return l.shown(gr, l.g.cfg.Now().Sub(began)), nil
}

func (l *lambdaGuard) lookup(key string) *grant {
	if !l.cacheOn {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.cache[key]
	if !ok || !l.g.cfg.Now().Before(e.expires) {
		delete(l.cache, key)
		return nil
	}
	return e.grant
}

// decide applies a grant to this request.
func (l *lambdaGuard) decide(c *call, gr *grant) *refusal {
	f := &refusal{status: http.StatusForbidden, kind: "ACCESS_DENIED", message: "Forbidden"}
	if gr.policy == nil {
		if gr.allowed {
			return nil
		}
		f.reason = "isAuthorized is false"
		return f
	}
	v := gr.policy.evaluate(c.arn())
	if v == allowed {
		return nil
	}
	f.reason = "the policy has no statement for " + c.arn()
	if v == explicitDeny {
		f.reason = "the policy denies " + c.arn()
	}
	if l.g.cfg.Type == REST && !l.g.websocket {
		f.upper, f.message = true, "User is not authorized to access this resource"
		if v == explicitDeny {
			f.message += " with an explicit deny"
		}
	}
	return f
}

// invoke calls the function and checks what it returns.
func (l *lambdaGuard) invoke(ctx context.Context, c *call, values []string) (*grant, *refusal) {
	event, err := l.event(c, values)
	if err != nil {
		return nil, l.failed("the event can't be written as JSON: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.a.Timeout)
	defer cancel()
	c.invoked = true
	out, err := l.a.Function.Invoke(ctx, event)
	if err != nil {
		var fe *FunctionError
		if errors.As(err, &fe) && fe.Message == "Unauthorized" {
			return nil, unauthorized(`the authorizer returned the error "Unauthorized"`)
		}
		return nil, l.failed(err.Error())
	}
	gr, err := l.parse(out)
	if err != nil {
		return nil, l.failed("malformed result of the authorizer: " + err.Error())
	}
	return gr, nil
}

func (l *lambdaGuard) failed(reason string) *refusal {
	f := internalError(reason)
	f.kind = "AUTHORIZER_CONFIGURATION_ERROR"
	if l.g.cfg.Type == REST && !l.g.websocket {
		f.null = true
	} else {
		f.message = "Internal Server Error"
	}
	return f
}
