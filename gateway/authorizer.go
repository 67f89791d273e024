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

// ErrUnauthorized makes API Gateway answer 401. API Gateway requires exactly this text.
var ErrUnauthorized = errors.New("Unauthorized")

// Start answers events of Lambda until the process ends. It does not return.
func (a *Authorizer) Start() { lambda.Start(a) }

// Invoke answers one event. It needs no Lambda, so tests can call it. It implements lambda.Handler of aws-lambda-go,
// and fits lambdahttp.Config.Fallback.
//
// An error refuses the request, too: ErrUnauthorized is a 401 to the client; any other (ErrEvent, keys or store
// unavailable, an answer over the limits of API Gateway) is a 500. API Gateway keeps neither.
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

// look finds the token and checks it. A cache keeps answers by the Authorization header. So where there may be a
// cache, an answer depends on this header alone.
func (a *Authorizer) look(ctx context.Context, e *wire, k kind, api arn) (*session.Verdict, error) {
	r := (&http.Request{Method: api.method, Header: http.Header{}}).WithContext(ctx)
	switch {
	case k == appSync: // by AWS's pages, its clients send the token without "Bearer"
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
		r.Method, r.Header = http.MethodGet, h
		r.Header["Upgrade"] = []string{"websocket"}
	case a.config.Uncached:
		h := e.header()
		r.Header = h
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
		return nil, fmt.Errorf("gateway: the token could not be checked: %w", err)
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

// unauthorized reports whether a refusal with this status is a 401 to the client.
func (a *Authorizer) unauthorized(k kind, status int) bool {
	simple := k == httpV2 && !a.config.Policies
	return status != http.StatusForbidden && a.config.OnInvalid != Deny && (!simple || a.config.OnInvalid == UnauthorizedAlways)
}

// verdict has what a session may call. deny has what lies within allow and is closed; spelled are the spellings of
// paths that are closed because another program may read them as another path.
type verdict struct {
	allow, deny []pattern
	spelled     []string
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
		// An allowed rule within this one is an exception to it, and does not need a denial.
		if slices.ContainsFunc(out.allow, func(p pattern) bool { return p.overlaps(r.pattern) && !r.covers(p) }) {
			out.deny = append(out.deny, r.pattern)
			if end := r.path[len(r.path)-1]; end != '*' && end != '/' {
				out.deny = append(out.deny, pattern{r.method, r.path + "/"}) // many programs read it as the same path
			}
		}
	}
	out.spelled = a.spellings.deny(out.allow, out.deny)
	return out
}

// allows compares a path as it is written.
func (v verdict) allows(method, path string) bool {
	match := func(p pattern) bool { return p.matches(method, path) }
	return slices.ContainsFunc(v.allow, match) && !slices.ContainsFunc(v.deny, match)
}

// denies reports whether the spelling of a path is denied, whichever path it stands for.
func (v verdict) denies(method, path string) bool {
	return slices.ContainsFunc(v.spelled, func(s string) bool { return glob(s, method+path) })
}

// decide decides on one request, for an answer that may be kept for others or, with exact, for this request alone: then
// every reading of its path must be allowed, if any path is closed. It also returns the reading that is not allowed.
func (v verdict) decide(method, path string, exact bool) (reading string, ok bool) {
	if !exact || len(v.spelled) == 0 {
		return path, v.allows(method, path) && !v.denies(method, path)
	}
	all, ok := readings(path)
	if !ok {
		return path, false
	}
	for _, reading := range all {
		if !v.allows(method, reading) {
			return reading, false
		}
	}
	return path, true
}

// reason returns the error for the needs that are not met: of the closest rule. It is nil if no rule matches.
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

// errToken is returned where an answer could be kept for somebody else's token.
var errToken = errors.New("gateway: the Authorization header is not among the identity sources of this authorizer, so the answer for one token could be used for others: " +
	"add " + HTTPSource + " (gateway.HTTPSource), or set authorizerResultTtlInSeconds to 0 and Config.Uncached")

// errSources is returned where a yes or no about one route could be kept for another route.
var errSources = errors.New("gateway: Config.Routes make the answer depend on the route, and " + HTTPRouteSource +
	" is not among the identity sources of this authorizer: add it (gateway.HTTPRouteSource), or answer by policies (Config.Policies, without EnableSimpleResponses)")

// errForged is returned where an identity source may be a value that the client sent.
var errForged = errors.New("gateway: the client sent the key of the route in a header, cookie or parameter, so it is not certain that " + HTTPRouteSource +
	" is among the identity sources: if it is, nothing has to be done; else add it (gateway.HTTPRouteSource)")

// simple decides for an HTTP API that takes a yes or no. It also returns the reading of the path that decided.
func (a *Authorizer) simple(e *wire, api arn, v *session.Verdict) (reading string, yes bool, err error) {
	sources := e.sources(httpV2)
	switch {
	case len(a.config.Routes) == 0:
		return api.path, true, nil
	case a.config.Uncached || len(sources) == 0: // there is no cache without identity sources
		reading, yes = a.verdict(v).decide(api.method, api.path, true)
		return reading, yes, nil
	case !slices.Contains(sources, e.RouteKey):
		return "", false, errSources
	case e.sent(e.RouteKey): // the client, in a header that is an identity source
		return "", false, errForged
	}
	yes, err = a.route(e.RouteKey, v)
	return api.path, yes, err
}

// route decides for all requests that API Gateway sends to one of its routes, because the answer to one of them may be
// used for any other.
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

// template returns the path of a route with a "*" for each part in braces.
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
