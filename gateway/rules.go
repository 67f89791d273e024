package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A rule is one method of a route: a session must meet the needs of route n.
type rule struct {
	pattern
	n int
}

// rulesOf returns the rules of routes, and the number of the route of $connect; -1 if there is none.
func rulesOf(routes []Route) (rules []rule, connect int, err error) {
	connect = -1
	for i, r := range routes {
		if r.Path == connectRoute && r.Method == "" {
			if connect >= 0 {
				return nil, 0, errors.New("gateway: Config.Routes has $connect twice")
			}
			connect = i
			continue
		}
		all, err := patterns(r.Method, r.Path)
		if err != nil {
			return nil, 0, fmt.Errorf("gateway: Config.Routes[%d]: %w", i, err)
		}
		for _, p := range all {
			if has(rules, p) {
				return nil, 0, fmt.Errorf("gateway: Config.Routes[%d]: %s %s is there already", i, p.method, p.path)
			}
			rules = append(rules, rule{p, i})
		}
	}
	return withHead(rules), connect, nil
}

// withHead adds a rule for HEAD to each rule for GET: net/http serves both by the same handler.
func withHead(rules []rule) []rule {
	out := rules
	for _, r := range rules {
		if head := (pattern{http.MethodHead, r.path}); r.method == http.MethodGet && !has(rules, head) {
			out = append(out, rule{head, r.n})
		}
	}
	return out
}

func has(rules []rule, p pattern) bool {
	return slices.ContainsFunc(rules, func(r rule) bool { return r.pattern == p })
}

// policySize is what a policy of all rules has at least, in bytes.
func policySize(rules []rule, s spellings) (size int) {
	var spelled []string
	for _, r := range rules {
		size += minARN + len(r.method) + len(r.path)
		within := slices.ContainsFunc(rules, func(q rule) bool { return q.n != r.n && q.overlaps(r.pattern) })
		switch {
		case within, strings.Contains(strings.TrimSuffix(r.path, "*"), "*"):
			spelled = s.closed
		case strings.Contains(r.path, "*") && r.path != "/*" && spelled == nil:
			spelled = s.outside
		}
	}
	for _, p := range spelled {
		size += minARN + len(p)
	}
	return size
}
