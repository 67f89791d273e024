package lambdahttp

import (
	"net/url"
	"strings"
)

// path returns the path of the event as the handler sees it: without the stage, without Config.StripPath, with
// Config.AddPath in front. An authorizer in front has compared the path within the API. The handler must not see
// another one, so what may be the API's own is never taken off, and a path that stays unclear is refused.
//
// The stage: API Gateway takes it out of the path for a REST API on its generated host, and leaves it in for an HTTP
// API there. On a custom domain it is in the path of a REST API whose mapping names no stage. In the path of an HTTP
// API on a custom domain it never is: what looks like it is a mapping key.
//
// StripPath: only a custom domain of API Gateway has a base path. On the generated host "/v1/x" is the API's own path.
func (f *Function) path(e *wire, k Format) (string, error) {
	p := e.Path
	if k == HTTP2 || k == FunctionURL {
		p = e.RawPath
	}
	c := &e.Context
	staged := k.api() && c.Stage != "" && c.Stage != "$default"
	strip := strings.TrimPrefix(f.strip, "/")
	switch {
	case !k.api():
		p, _ = cutPath(p, strip)
	case c.APIID != "" && c.DomainPrefix == c.APIID, strings.Contains(c.DomainName, ".execute-api."): // the generated host
		if staged && k != REST {
			p, _ = cutPath(p, c.Stage)
		}
	default:
		stage := ""
		if staged && k == REST {
			stage = c.Stage
		}
		own, ok := e.ownPath(k, p, strip, stage)
		if !ok {
			return "", badRequest("the path does not fit the route of the event")
		}
		p = own
	}
	return f.add + p, nil
}

// ownPath returns the path within the API of a request to a custom domain, where a base path and a stage may stand
// before it: the one that the event's route and parameters spell. It is false where they spell none of them.
func (e *wire) ownPath(k Format, p, base, stage string) (string, bool) {
	route := e.Resource
	if k == HTTP2 {
		_, route, _ = strings.Cut(e.RouteKey, " ")
	}
	spelled, known := e.spelled(route)
	if !known { // $default is a route without parameters
		p, _ = cutPath(p, base)
		return p, true
	}
	all := []string{p}
	for _, first := range []string{base, stage} {
		if rest, ok := cutPath(all[len(all)-1], first); ok {
			all = append(all, rest)
		}
	}
	for _, own := range all {
		if plainPath(own) == plainPath(spelled) {
			return own, true
		}
	}
	return p, len(all) == 1
}

// cutPath removes a first part from a path, at the boundary of a segment: "dev" is cut off "/dev/x" and not off
// "/device".
func cutPath(p, first string) (rest string, ok bool) {
	if first == "" || len(p) <= len(first) || p[0] != '/' || p[1:len(first)+1] != first {
		return p, false
	}
	switch rest = p[len(first)+1:]; {
	case rest == "":
		return "/", true
	case rest[0] == '/':
		return rest, true
	}
	return p, false
}

// spelled returns the path that a route and the event's path parameters spell. It is false where one is missing.
func (e *wire) spelled(route string) (path string, known bool) {
	params, err := parse(e.PathParameters)
	if err != nil || !strings.HasPrefix(route, "/") {
		return "", false
	}
	var spelled strings.Builder
	for segment := range strings.SplitSeq(route[1:], "/") {
		spelled.WriteByte('/')
		name, isParam := strings.CutPrefix(segment, "{")
		if !isParam {
			spelled.WriteString(segment)
			continue
		}
		value, ok := params.get(strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+"))
		if !ok {
			return "", false
		}
		spelled.WriteString(value)
	}
	return spelled.String(), true
}

// plainPath is a path for comparison: parameters come encoded or not, and without the last slash.
func plainPath(p string) string {
	if plain, err := url.PathUnescape(p); err == nil {
		p = plain
	}
	return strings.TrimSuffix(p, "/")
}
