package lambdatest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A route is a Route with its path taken apart and its authorizer made ready.
type route struct {
	Route
	segments []string // nil for $default
	guard    guard
}

func (g *Gateway) addRoute(rt *Route) error {
	setDefault(&rt.Method, "ANY")
	rt.Method = strings.ToUpper(rt.Method)
	if rt.Function == nil {
		return errors.New("its Function is nil")
	}
	if !g.cfg.Type.api() {
		rt.Path = "$default"
	}
	r := &route{Route: *rt}
	switch {
	case rt.Path == "$default" && g.cfg.Type == REST:
		return errors.New(`a REST API has no $default route: use "/{proxy+}"`)
	case rt.Path != "$default":
		if err := r.parse(); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(g.routes, func(o *route) bool { return o.Method == r.Method && o.Path == r.Path }) {
		return fmt.Errorf("there are two routes %s", r.key())
	}
	if rt.APIKeyRequired && g.cfg.Type != REST {
		return errors.New("the field APIKeyRequired is for REST APIs")
	}
	if _, ok := rt.Authorizer.(*JWTAuthorizer); !ok && len(rt.Scopes) > 0 {
		return errors.New("the field Scopes needs a JWTAuthorizer")
	}
	if rt.Authorizer != nil {
		known, ok := g.guards[rt.Authorizer]
		if !ok {
			var err error
			if known, err = rt.Authorizer.compile(g, rt); err != nil {
				return err
			}
			g.guards[rt.Authorizer] = known
		}
		r.guard = known
	}
	g.routes = append(g.routes, r)
	return nil
}

func (r *route) parse() error {
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf(`the Path %q must begin with "/"`, r.Path)
	}
	r.segments = split(r.Path)
	for i, s := range r.segments {
		name, variable := pathVariable(s)
		switch {
		case !variable && strings.ContainsAny(s, "{}"):
			return fmt.Errorf("the Path %q: a variable is a whole segment", r.Path)
		case variable && strings.TrimSuffix(name, "+") == "":
			return fmt.Errorf("the Path %q: a variable has no name", r.Path)
		case strings.HasSuffix(name, "+") && i != len(r.segments)-1:
			return fmt.Errorf("the Path %q: a greedy variable is the last segment", r.Path)
		}
	}
	return nil
}

func pathVariable(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "}")
}

// split returns the segments of a path; the root has none.
func split(path string) []string {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match compares segments and returns the variables as they stand in the path, and how specific the match is, segment
// by segment: 3 for a static one, 2 for a variable, 1 for a greedy variable.
func (r *route) match(segments []string, unescape func(string) string) (params map[string]string, rank []int, ok bool) {
	for i, s := range r.segments {
		name, variable := pathVariable(s)
		greedy := strings.HasSuffix(name, "+")
		if i >= len(segments) {
			return nil, nil, false
		}
		switch {
		case greedy:
			rest := strings.Join(segments[i:], "/")
			if rest == "" {
				return nil, nil, false
			}
			return put(params, strings.TrimSuffix(name, "+"), rest), append(rank, 1), true
		case variable && segments[i] != "":
			params, rank = put(params, name, segments[i]), append(rank, 2)
		case !variable && unescape(segments[i]) == s:
			rank = append(rank, 3)
		default:
			return nil, nil, false
		}
	}
	return params, rank, len(segments) == len(r.segments)
}

func put(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// find chooses the route of a request: the most specific path, then the method before ANY, then $default.
//
// On a REST API the path decides first: where the most specific resource lacks the method, no other is tried.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func (g *Gateway) find(method, path string) (*route, map[string]string) {
	if !g.cfg.Type.api() {
		return g.routes[0], nil
	}
	unescape := func(s string) string { return s }
	if g.cfg.Type == REST {
		path = "/" + strings.Trim(path, "/") // "/pets/" is the resource "/pets"
		unescape = unescapePath
	}
	segments := split(path)
	var best *route
	var bestParams map[string]string
	var bestRank []int
	for _, r := range g.routes {
		if r.segments == nil && r.Path == "$default" {
			continue
		}
		rightMethod := r.Method == method || r.Method == "ANY"
		if !rightMethod && g.cfg.Type != REST {
			continue
		}
		params, rank, ok := r.match(segments, unescape)
		if !ok {
			continue
		}
		order := slices.Compare(rank, bestRank)
		if best == nil || order > 0 || order == 0 && methodRank(r, method) > methodRank(best, method) {
			best, bestParams, bestRank = r, params, rank
		}
	}
	if best != nil {
		if methodRank(best, method) == 0 {
			return nil, nil
		}
		return best, bestParams
	}
	for _, want := range []string{method, "ANY"} {
		for _, r := range g.routes {
			if r.Path == "$default" && r.Method == want {
				return r, nil
			}
		}
	}
	return nil, nil
}

func methodRank(r *route, method string) int {
	switch r.Method {
	case method:
		return 2
	case "ANY":
		return 1
	}
	return 0
}

// unescapePath decodes percent escapes. A broken one leaves the text as it is.
func unescapePath(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// locate takes the stage and the base path off the path that the client asked for.
//
// A custom domain has its mapping key in the path; the generated domain has the stage, unless it is $default.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domains.html
func (g *Gateway) locate(path string) (string, *refusal) {
	prefix := ""
	switch {
	case !g.cfg.Type.api():
	case g.cfg.Domain != "":
		if g.cfg.BasePath != "" {
			prefix = "/" + g.cfg.BasePath
		}
		if g.cfg.StageInPath {
			prefix += "/" + g.cfg.Stage
		}
	case g.cfg.Stage != "$default":
		prefix = "/" + g.cfg.Stage
	}
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || rest != "" && rest[0] != '/' {
		why := "no API at this path: it must begin with " + prefix
		if g.cfg.Type == REST || g.cfg.Domain != "" {
			return "", &refusal{status: http.StatusForbidden, kind: "ACCESS_DENIED", message: "Forbidden", reason: why}
		}
		return "", g.notFound(why)
	}
	if rest == "" {
		rest = "/"
	}
	return rest, nil
}

// notFound returns the answer where there is no route: "Missing Authentication Token" for REST APIs, 404 for HTTP APIs.
func (g *Gateway) notFound(reason string) *refusal {
	if g.cfg.Type == REST {
		return &refusal{status: http.StatusForbidden, kind: "MISSING_AUTHENTICATION_TOKEN", message: "Missing Authentication Token", reason: reason}
	}
	return &refusal{status: http.StatusNotFound, kind: "RESOURCE_NOT_FOUND", message: "Not Found", reason: reason}
}
