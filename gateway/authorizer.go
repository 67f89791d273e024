package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/posternauth/postern/session"
)

// ErrUnauthorized makes API Gateway answer 401. Its text is API Gateway's, to the letter.
var ErrUnauthorized = errors.New("Unauthorized")

// Start asks Lambda for events and answers them. It doesn't return.
func (a *Authorizer) Start() { lambda.Start(a) }

// Invoke answers one event. It needs no Lambda, so tests may call it with events of their own; it is what aws-lambda-go
// calls a lambda.Handler, and fits lambdahttp.Config.Fallback.
//
// An error is a refusal, too: ErrUnauthorized is a 401 to the client, any other (ErrEvent, keys or store out of reach, an
// answer over the limits of API Gateway) a 500. API Gateway caches neither.
func (a *Authorizer) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	e, k, api, err := parseEvent(event)
	if err != nil {
		return nil, err
	}
	v, err := a.look(ctx, e, k, api)
	if err != nil {
		return a.refuse(ctx, k, api, err)
	}
	if sources := e.sources(k); !a.config.Uncached && len(sources) > 0 && !slices.ContainsFunc(e.header()["Authorization"], func(s string) bool { return slices.Contains(sources, s) }) {
		return nil, errToken
	}
	switch {
	case k == appSync:
		return a.answerAppSync(v)
	case k == httpV2 && !a.config.Policies:
		return a.answerSimple(ctx, e, api, v)
	}
	return a.answerPolicy(ctx, k, api, v)
}

// look finds the token and checks it. What an answer depends on must be part of what it is cached by, so where there may
// be a cache the Authorization header is all that is looked at.
func (a *Authorizer) look(ctx context.Context, e *wire, k kind, api arn) (*session.Verdict, error) {
	r := (&http.Request{Method: api.method, Header: http.Header{}}).WithContext(ctx)
	switch {
	case k == appSync: // its clients send a token without "Bearer" before it, the vendor says
		token := *e.Token
		if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "bearer") {
			token = strings.TrimLeft(rest, " ")
		}
		if token == "" {
			return nil, session.ErrMissing
		}
		return a.inspector.Token(ctx, token)
	case k == restToken:
		if e.Token != nil {
			r.Header["Authorization"] = []string{*e.Token}
		}
	case k == webSocket:
		h := e.header()
		if tokens := e.query(a.config.Query); a.config.Query != "" && len(tokens) > 0 && len(h["Authorization"]) == 0 {
			if len(tokens) > 1 {
				return nil, session.ErrDuplicate
			}
			return a.inspector.Token(ctx, tokens[0])
		}
		r.Method, r.Header, r.Host = http.MethodGet, h, h.Get("Host")
		r.Header["Upgrade"] = []string{"websocket"}
	case a.config.Uncached:
		h := e.header()
		r.Header, r.Host = h, h.Get("Host")
		delete(h, "Upgrade") // no WebSocket comes this way
	default:
		if values := e.header()["Authorization"]; values != nil {
			r.Header["Authorization"] = values
		}
	}
	return a.inspector.Request(r)
}

// refuse answers for a request without a session that the guard lets in.
func (a *Authorizer) refuse(ctx context.Context, k kind, api arn, err error) ([]byte, error) {
	switch session.Reason(err) {
	case "unavailable", "store_required", "no_signer", "grant", "too_large", "other":
		return nil, fmt.Errorf("gateway: nothing could be found out about the token: %w", err)
	}
	status, code, body := a.inspector.Explain(ctx, err)
	no := refusal{code, string(body)}
	switch {
	case k == appSync:
		return encode(appSyncAnswer{})
	case a.unauthorized(k, status):
		return nil, ErrUnauthorized
	case k == httpV2 && !a.config.Policies:
		return encode(simpleAnswer{Context: no.context()})
	}
	return encode(denial(api, nobody, no.context()))
}

// unauthorized tells whether a refusal of some status is to be a 401 at the client.
func (a *Authorizer) unauthorized(k kind, status int) bool {
	simple := k == httpV2 && !a.config.Policies
	return status != http.StatusForbidden && a.config.OnInvalid != Deny && (!simple || a.config.OnInvalid == UnauthorizedAlways)
}

// verdict is which rules a session meets, and which of the others must be denied since another one would allow them.
type verdict struct {
	allow, deny []pattern
}

func (a *Authorizer) verdict(v *session.Verdict) (out verdict) {
	for _, r := range a.rules {
		if v.Unmet[r.n] == nil {
			out.allow = append(out.allow, r.pattern)
		}
	}
	for _, r := range a.rules {
		if v.Unmet[r.n] == nil {
			continue
		}
		// One that lies within this rule is the exception to it, and not the other way round.
		if slices.ContainsFunc(out.allow, func(p pattern) bool { return p.overlaps(r.pattern) && !r.covers(p) }) {
			out.deny = append(out.deny, r.pattern)
			if end := r.path[len(r.path)-1]; end != '*' && end != '/' {
				out.deny = append(out.deny, pattern{r.method, r.path + "/"}) // the same to many that read it
			}
		}
	}
	return out
}

// allows is what API Gateway makes of the policy.
func (v verdict) allows(method, path string) bool {
	match := func(p pattern) bool { return p.matches(method, path) }
	return slices.ContainsFunc(v.allow, match) && !slices.ContainsFunc(v.deny, match)
}

// reason tells which needs of a request are not met: those of the rule that fits it best. nil: no rule fits.
func (a *Authorizer) reason(v *session.Verdict, method, path string) error {
	var best *rule
	for i := range a.rules {
		r := &a.rules[i]
		if r.matches(method, path) && v.Unmet[r.n] != nil && (best == nil || best.covers(r.pattern)) {
			best = r
		}
	}
	if best == nil {
		return nil
	}
	return v.Unmet[best.n]
}

// errToken is the answer where it could be cached for somebody else.
var errToken = errors.New("gateway: the Authorization header is not among the identity sources of this authorizer, so what is said of one token could be kept for others: " +
	"add " + HTTPSource + " (gateway.HTTPSource), or set authorizerResultTtlInSeconds to 0 and Config.Uncached")

// errSources is the answer where a yes or no that depends on the route could be cached for another one.
var errSources = errors.New("gateway: Config.Routes make the answer depend on the route, and " + HTTPRouteSource +
	" is not among the identity sources of this authorizer: add it (gateway.HTTPRouteSource), or answer by policies (Config.Policies, without EnableSimpleResponses)")

// errForged is errSources where that can't be told.
var errForged = errors.New("gateway: the request has the key of the route as the value of a header, cookie or parameter, so that " + HTTPRouteSource +
	" can't be found among the identity sources for sure: nothing is to be done if it is there; else add it (gateway.HTTPRouteSource)")

// simple decides for an HTTP API that wants a yes or no.
func (a *Authorizer) simple(e *wire, api arn, v *session.Verdict) (bool, error) {
	sources := e.sources(httpV2)
	switch {
	case len(a.config.Routes) == 0:
		return true, nil
	case a.config.Uncached || len(sources) == 0: // there is no cache without identity sources
		return a.verdict(v).allows(api.method, api.path), nil
	case !slices.Contains(sources, e.RouteKey):
		return false, errSources
	case e.says(e.RouteKey): // the client, in a header that is an identity source
		return false, errForged
	}
	return a.route(e.RouteKey, v)
}

// route decides for all requests that API Gateway gives to one of its routes, since any of them may be answered from the
// cache of the others.
func (a *Authorizer) route(key string, v *session.Verdict) (bool, error) {
	method, path, ok := strings.Cut(key, " ")
	if key == "$default" {
		method, path, ok = anyMethod, "/*", true
	}
	if !ok {
		return false, fmt.Errorf("%w: its routeKey is not that of a route", ErrEvent)
	}
	all := []string{method}
	if method == anyMethod {
		all = methods[:]
	}
	decided := a.verdict(v)
	path = template(path)
	for _, m := range all {
		p := pattern{m, path}
		for _, r := range a.rules {
			if r.overlaps(p) && !r.covers(p) {
				return false, fmt.Errorf("gateway: the route %q of the API reaches into %s %s of Config.Routes and beyond: one yes or no can't be right for both; answer by policies (Config.Policies, without EnableSimpleResponses)", key, r.method, r.path)
			}
		}
		covers := func(q pattern) bool { return q.covers(p) }
		if !slices.ContainsFunc(decided.allow, covers) || slices.ContainsFunc(decided.deny, covers) {
			return false, nil
		}
	}
	return true, nil
}

// template is the path of a route with a "*" for each part in braces.
func template(path string) string {
	var b strings.Builder
	for path != "" {
		before, rest, found := strings.Cut(path, "{")
		b.WriteString(before)
		if !found {
			break
		}
		_, path, _ = strings.Cut(rest, "}")
		b.WriteByte('*')
	}
	return b.String()
}
