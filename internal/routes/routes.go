// Package routes finds the template of a public route, which has a bounded number of values, for the path of a request.
package routes

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Other stands for a path that has no template.
const Other = "other"

// Routes are the templates of the public routes.
type Routes struct {
	base string // path of the issuer
	root *node
}

// node is a position in the tree of templates: the segments that may follow, and what ends here.
type node struct {
	next map[string]*node
	any  *node  // after a segment that is a parameter
	end  string // the template that ends here; empty: none
	rest string // the template of everything below; empty: none
}

// New returns the templates below base, the path of the issuer, and those of the host. They are the paths of an
// OpenAPI document, as the house serves it at {base}/openapi.json, and the pages beside them.
func New(base string, document []byte) (*Routes, error) {
	var doc struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("the document of the routes: %w", err)
	}
	r := &Routes{base: base, root: &node{}}
	for path := range doc.Paths {
		r.add(base + strings.TrimSuffix(path, "/"))
	}
	for _, path := range []string{"/account/*", "/admin", "/admin/*", "/assets/*", "/verify", "/verify/{app}"} {
		r.add(base + path)
	}
	for _, path := range []string{"/change-password", "/passkey-endpoints", "/webauthn"} {
		r.add("/.well-known" + path)
	}
	for _, path := range []string{"/oauth-authorization-server", "/openid-configuration"} {
		r.add("/.well-known" + path + base)
	}
	return r, nil
}

// add adds a template. A segment in braces stands for any one segment, and * at the end for any number.
func (r *Routes) add(template string) {
	n := r.root
	for segment := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		switch {
		case segment == "*":
			n.rest = template
			return
		case strings.HasPrefix(segment, "{"):
			if n.any == nil {
				n.any = &node{}
			}
			n = n.any
		default:
			if n.next == nil {
				n.next = map[string]*node{}
			}
			if n.next[segment] == nil {
				n.next[segment] = &node{}
			}
			n = n.next[segment]
		}
	}
	n.end = template
	if template == "" {
		n.end = "/"
	}
}

// Of returns the template of a path, or Other. Literal segments come before parameters.
func (r *Routes) Of(path string) string {
	if len(path) > 1024 || path == "" || path[0] != '/' {
		return Other
	}
	if path == r.base+"/" {
		path = r.base
	}
	if found := r.root.find(strings.TrimPrefix(path, "/"), true); found != "" {
		return found
	}
	return Other
}

// find looks for rest below n. more reports whether there is a segment, which may be empty.
func (n *node) find(rest string, more bool) string {
	if !more {
		return n.end
	}
	segment, below, deeper := strings.Cut(rest, "/")
	if next := n.next[segment]; next != nil {
		if found := next.find(below, deeper); found != "" {
			return found
		}
	}
	if n.any != nil && segment != "" {
		if found := n.any.find(below, deeper); found != "" {
			return found
		}
	}
	return n.rest
}
