package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// An APIType is one of the ways in which AWS puts HTTP in front of a function.
type APIType int

const (
	HTTPAPI       APIType = iota // API Gateway HTTP API, payload format 2.0
	HTTPAPIv1                    // API Gateway HTTP API, payload format 1.0
	REST                         // API Gateway REST API, Lambda proxy integration
	FunctionURL                  // Lambda function URL, buffered
	ALB                          // Application Load Balancer, single-value headers
	ALBMultiValue                // Application Load Balancer, lambda.multi_value_headers.enabled
)

func (k APIType) String() string {
	names := []string{"HTTP API 2.0", "HTTP API 1.0", "REST API", "function URL", "ALB", "ALB with multi-value headers"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("APIType(%d)", int(k))
	}
	return names[k]
}

func (k APIType) api() bool  { return k == HTTPAPI || k == HTTPAPIv1 || k == REST }
func (k APIType) http() bool { return k == HTTPAPI || k == HTTPAPIv1 }
func (k APIType) alb() bool  { return k == ALB || k == ALBMultiValue }

// A Route sends requests to a function.
type Route struct {
	// Method is an HTTP method or "ANY".
	// Defaults to "ANY".
	Method string
	// Path is "/orders/{id}" or "/{proxy+}"; "$default" catches the rest on HTTP APIs. Required for API Gateway.
	// Function URLs and load balancers have one route and ignore Path.
	Path string
	// Function answers. Required.
	Function Function
	// Authorizer guards the route: a [*LambdaAuthorizer] or a [*JWTAuthorizer].
	// Defaults to none: the route is open.
	Authorizer RouteAuthorizer
	// Scopes are scopes of which a token must have at least one. Only with a JWTAuthorizer.
	Scopes []string
	// APIKeyRequired requires one of Config.APIKeys. Only for REST APIs.
	APIKeyRequired bool
}

func (rt *Route) key() string {
	if strings.HasPrefix(rt.Path, "$") {
		return rt.Path
	}
	return rt.Method + " " + rt.Path
}

// A RouteAuthorizer is a [*LambdaAuthorizer] or a [*JWTAuthorizer].
type RouteAuthorizer interface {
	compile(g *Gateway, rt *Route) (guard, error)
}

// A guard decides on a request. It returns the function's requestContext.authorizer, or a refusal.
type guard interface {
	authorize(ctx context.Context, c *call) (authorizer map[string]any, refused *refusal)
	flush()
}

// Config describes a simulated gateway. Routes is required; everything else has a default.
type Config struct {
	Type   APIType
	Routes []Route
	// Stage is the stage. A stage other than "$default" is the first segment of the path that clients call, unless
	// Domain is set.
	// Defaults to "$default" for HTTP APIs, "prod" for REST APIs.
	Stage          string
	StageVariables map[string]string
	// Domain is a custom domain. The Host header of a request is ignored, so a test server on 127.0.0.1 works.
	// Defaults to the generated domain, {APIID}.execute-api.{Region}.amazonaws.com.
	Domain string
	// BasePath is the key of the domain's mapping, such as "v1". Requests must begin with it.
	BasePath string
	// StageInPath says that the mapping names no stage, so that clients give it after the base path. REST APIs only.
	StageInPath bool
	// APIID, Region and Account appear in ARNs.
	// They default to "a1b2c3d4e5", "us-east-1" and "123456789012".
	APIID, Region, Account string
	// Timeout is how long the function may take; 504 after that.
	// Defaults to 29 s for REST APIs, else 30 s.
	Timeout time.Duration
	// BinaryMediaTypes are the content types that a REST API treats as binary, such as "image/png" or "*/*".
	BinaryMediaTypes []string
	// LowerCaseHeaders gives header names in lower case to functions behind REST and HTTP 1.0, which get them as the
	// client wrote them: HTTP/2 clients write lower case. Host, User-Agent and the headers that AWS adds keep their
	// capitals.
	// Defaults to false: canonical case, as HTTP/1.1 clients write.
	LowerCaseHeaders bool
	// APIKeys are the keys of the usage plan. APIKeySource is the place of a request's key: "HEADER" (x-api-key) or
	// "AUTHORIZER" (usageIdentifierKey). REST APIs only.
	// APIKeySource defaults to "HEADER".
	APIKeys      []string
	APIKeySource string
	// GatewayResponses replace the answers that a REST API gives by itself. The key is a response type such as
	// "ACCESS_DENIED", "UNAUTHORIZED" or "DEFAULT_4XX".
	GatewayResponses map[string]GatewayResponse
	// Now is the clock of caches, tokens and events. Timeouts take real time.
	// Defaults to time.Now.
	Now func() time.Time
	// OnDecision, if set, gets each decision of an authorizer, with its reason. It must be safe for concurrent use.
	OnDecision func(Decision)
}

// A Decision is the decision of an authorizer on a request.
type Decision struct {
	Method, Path string
	// Route is the key of the route, such as "GET /orders/{id}".
	Route string
	// Status is 0 when the request passed, else the status the client got.
	Status int
	// Invoked reports that the authorizer's function was called, Cached that an earlier result was used.
	Invoked, Cached bool
	// Reason is why the request did not pass. API Gateway only logs it.
	Reason string
}

// A Gateway is a simulated API Gateway, function URL or load balancer in front of functions. It is an http.Handler.
type Gateway struct {
	cfg    Config
	routes []*route
	guards map[RouteAuthorizer]guard
	domain string

	websocket bool // it stands in for a WebSocket API's $connect
}

// New checks the configuration and builds a gateway.
func New(cfg Config) (*Gateway, error) {
	if cfg.Type < HTTPAPI || cfg.Type > ALBMultiValue {
		return nil, fmt.Errorf("lambdatest: Config.Type: there is no %v", cfg.Type)
	}
	if len(cfg.Routes) == 0 {
		return nil, errors.New("lambdatest: Config.Routes is empty: add a Route with a Function")
	}
	switch {
	case cfg.Type == REST:
		setDefault(&cfg.Stage, "prod")
		setDefault(&cfg.Timeout, 29*time.Second)
	default:
		setDefault(&cfg.Stage, "$default")
		setDefault(&cfg.Timeout, 30*time.Second)
	}
	setDefault(&cfg.APIID, "a1b2c3d4e5")
	setDefault(&cfg.Region, defaultRegion)
	setDefault(&cfg.Account, defaultAccount)
	setDefault(&cfg.APIKeySource, "HEADER")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := checkConfig(&cfg); err != nil {
		return nil, err
	}
	cfg.BasePath = strings.Trim(cfg.BasePath, "/")
	g := &Gateway{cfg: cfg, guards: map[RouteAuthorizer]guard{}, domain: cfg.Domain}
	if g.domain == "" {
		g.domain = cfg.APIID + ".execute-api." + cfg.Region + ".amazonaws.com"
		if cfg.Type == FunctionURL {
			g.domain = cfg.APIID + ".lambda-url." + cfg.Region + ".on.aws"
		}
	}
	for i := range cfg.Routes {
		rt := cfg.Routes[i]
		if err := g.addRoute(&rt); err != nil {
			return nil, fmt.Errorf("lambdatest: Config.Routes[%d]: %w", i, err)
		}
	}
	return g, nil
}

func checkConfig(cfg *Config) error {
	switch {
	case cfg.Timeout < 0:
		return errors.New("lambdatest: Config.Timeout must not be negative")
	case cfg.Domain == "" && (cfg.BasePath != "" || cfg.StageInPath):
		return errors.New("lambdatest: Config.BasePath and StageInPath belong to a custom domain: set Domain")
	case cfg.StageInPath && cfg.Type != REST:
		return errors.New("lambdatest: Config.StageInPath: only the mapping of a REST API may name no stage")
	case cfg.Type == REST && cfg.Stage == "$default":
		return errors.New("lambdatest: Config.Stage: a REST API has no $default stage")
	case cfg.APIKeySource != "HEADER" && cfg.APIKeySource != "AUTHORIZER":
		return errors.New("lambdatest: Config.APIKeySource must be HEADER or AUTHORIZER")
	case cfg.Type != REST && (len(cfg.GatewayResponses) > 0 || len(cfg.APIKeys) > 0 || len(cfg.BinaryMediaTypes) > 0):
		return errors.New("lambdatest: Config: GatewayResponses, APIKeys and BinaryMediaTypes are for REST APIs")
	case !cfg.Type.api() && (len(cfg.Routes) != 1 || cfg.Routes[0].Authorizer != nil):
		return fmt.Errorf("lambdatest: Config.Routes: a %v has one route and no authorizer", cfg.Type)
	}
	return nil
}

// Handler serves one function as the given type of gateway would, on its default stage, without an authorizer: for a
// local run of a function.
//
//	rt, err := lambdatest.NewRuntime(lambdatest.RuntimeConfig{Bootstrap: "./bootstrap"})
//	...
//	http.ListenAndServe("localhost:3000", lambdatest.Handler(lambdatest.FunctionURL, rt))
//
// The paths of a [REST] API begin with its stage, "/prod". Handler panics on an unknown type or a nil function.
func Handler(kind APIType, f Function) http.Handler {
	route := Route{Path: "$default", Function: f}
	if kind == REST {
		route.Path = "/{proxy+}"
	}
	cfg := Config{Type: kind, Routes: []Route{route}}
	if kind == REST { // a greedy path has at least one segment, so the root is a separate resource
		cfg.Routes = append(cfg.Routes, Route{Path: "/", Function: f})
	}
	g, err := New(cfg)
	if err != nil {
		panic(err)
	}
	return g
}

// FlushAuthorizers empties the caches of all authorizers, results and keys, as FlushStageAuthorizersCache and
// ResetAuthorizersCache do.
func (g *Gateway) FlushAuthorizers() {
	for _, guard := range g.guards {
		guard.flush()
	}
}

// ServeHTTP answers a request as the gateway would.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, refused := g.newCall(r)
	if refused == nil {
		refused = g.authorize(r.Context(), c)
	}
	if refused == nil {
		refused = g.forward(w, c)
	}
	if refused != nil {
		g.refuse(w, c, refused)
	}
}

func (g *Gateway) authorize(ctx context.Context, c *call) *refusal {
	if c.route.guard != nil {
		auth, refused := c.route.guard.authorize(ctx, c)
		if g.cfg.OnDecision != nil {
			d := Decision{Method: c.method, Path: c.fullPath, Route: c.route.key(), Invoked: c.invoked, Cached: c.cached}
			if refused != nil {
				d.Status, d.Reason = refused.status, refused.reason
			}
			g.cfg.OnDecision(d)
		}
		if refused != nil {
			return refused
		}
		c.authorizer = auth
	}
	return g.checkAPIKey(c)
}

func (g *Gateway) checkAPIKey(c *call) *refusal {
	if !c.route.APIKeyRequired {
		return nil
	}
	key := c.header.Get("X-Api-Key")
	if g.cfg.APIKeySource == "AUTHORIZER" {
		key = c.usageKey
	}
	if !slices.Contains(g.cfg.APIKeys, key) || key == "" {
		return &refusal{status: http.StatusForbidden, kind: "INVALID_API_KEY", message: "Forbidden", reason: "no API key of the usage plan"}
	}
	c.apiKey = key
	return nil
}

// forward calls the function and writes its answer.
func (g *Gateway) forward(w http.ResponseWriter, c *call) *refusal {
	event, err := g.event(c)
	if err != nil {
		return internalError("the event can't be written as JSON: " + err.Error())
	}
	// A client that goes away does not stop a function.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), g.cfg.Timeout)
	defer cancel()
	out, err := c.route.Function.Invoke(ctx, event)
	switch {
	case err != nil && ctx.Err() != nil:
		return &refusal{status: http.StatusGatewayTimeout, kind: "INTEGRATION_TIMEOUT", message: "Endpoint request timed out", reason: err.Error()}
	case errors.Is(err, ErrPayloadTooLarge):
		return tooLong(g.cfg.Type)
	case err != nil:
		return badGateway(g.cfg.Type, err.Error())
	}
	return g.answer(w, c, out)
}

// Event returns the event that the function would get for a request, as JSON, without asking an authorizer.
func (g *Gateway) Event(r *http.Request) ([]byte, error) {
	c, refused := g.newCall(r)
	if refused != nil {
		return nil, fmt.Errorf("lambdatest: the gateway answers without the function, with %d: %s", refused.status, refused.message)
	}
	return g.event(c)
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errBodyTooLong
	}
	return body, err
}

var errBodyTooLong = errors.New("lambdatest: the body is longer than the gateway takes")
