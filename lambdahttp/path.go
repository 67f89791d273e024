package lambdahttp

import (
	"net/url"
	"strings"
)

// path returns the path of the event as the handler is to see it: without the stage, without Config.StripPath, with
// Config.AddPath in front.
//
// Where a stage is: API Gateway takes it out of the path for a REST API on its generated host, and leaves it in for an
// HTTP API there. On a custom domain it is in the path of a REST API whose mapping names no stage; the route and its
// parameters tell what the path within the API is, so that a resource that merely has the name of the stage keeps it.
// In the path of an HTTP API on a custom domain it never is: what looks like it is a mapping key.
func (f *Function) path(e *wire, k Kind) string {
	p := e.Path
	if k == HTTP2 || k == FunctionURL {
		p = e.RawPath
	}
	c := &e.Context
	staged := k.api() && c.Stage != "" && c.Stage != "$default"
	generated := c.APIID != "" && c.DomainPrefix == c.APIID
	if staged && generated && k != REST {
		p, _ = cutPath(p, c.Stage)
	}
	p, _ = cutPath(p, strings.TrimPrefix(f.strip, "/"))
	if staged && !generated && k == REST {
		if rest, ok := cutPath(p, c.Stage); ok && e.leadsTo(rest) {
			p = rest
		}
	}
	return f.add + p
}

// cutPath removes a first part from a path, at the boundary of a segment: "dev" is cut off "/dev/x" and not off "/device".
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

// leadsTo tells whether p is the path that the event's resource and path parameters spell.
func (e *wire) leadsTo(p string) bool {
	route := e.Resource
	params, err := parse(e.PathParameters)
	if err != nil || !strings.HasPrefix(route, "/") {
		return false
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
			return false
		}
		spelled.WriteString(value)
	}
	return plainPath(p) == plainPath(spelled.String())
}

// plainPath is a path for comparison: parameters come encoded or not, and without the last slash.
func plainPath(p string) string {
	if plain, err := url.PathUnescape(p); err == nil {
		p = plain
	}
	return strings.TrimSuffix(p, "/")
}
