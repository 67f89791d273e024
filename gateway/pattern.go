package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// methods are the methods that API Gateway has routes for, and that ANY stands for. A policy can't have a "*" for the
// method, because it would not stop at the slash: "*/help" matches "GET/admin/help".
var methods = [...]string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}

const anyMethod = "ANY"

// maxPath keeps a resource within the 512 characters that API Gateway allows.
const maxPath = 256

// A pattern is one method with a path in which "*" stands for any text.
type pattern struct{ method, path string }

func (p pattern) covers(q pattern) bool   { return p.method == q.method && glob(p.path, q.path) }
func (p pattern) overlaps(q pattern) bool { return p.method == q.method && overlap(p.path, q.path) }
func (p pattern) matches(method, path string) bool {
	return p.method == method && glob(p.path, path)
}

// patterns returns the patterns of a route.
func patterns(method, path string) ([]pattern, error) {
	switch {
	case !strings.HasPrefix(path, "/"):
		return nil, fmt.Errorf("the path %q must begin with a slash, without the stage", path)
	case len(path) > maxPath:
		return nil, fmt.Errorf("the path has %d bytes: at most %d are allowed, use a * for its end", len(path), maxPath)
	case strings.ContainsAny(path, "{}"):
		return nil, fmt.Errorf("the path %q: write * for a part in braces; it stands for any text, slashes included", path)
	case strings.Contains(path, "//") || strings.Contains(path, "**"):
		return nil, fmt.Errorf("the path %q has an empty part, or two * in a row", path)
	}
	for _, c := range path {
		if !pathRune(c) {
			return nil, fmt.Errorf("the path %q: the character %q is not allowed in a policy: put a * in its place", path, c)
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(part, ".") {
			return nil, fmt.Errorf("the path %q has a part that ends in a dot: other programs read it as another path", path)
		}
	}
	if method == "" || method == anyMethod {
		all := make([]pattern, len(methods))
		for i, m := range methods {
			all[i] = pattern{m, path}
		}
		return all, nil
	}
	if !slices.Contains(methods[:], method) {
		return nil, fmt.Errorf("the method %q: give one of %s, or ANY for all of them", method, strings.Join(methods[:], ", "))
	}
	return []pattern{{method, path}}, nil
}

// pathRune reports whether a character may stand in a path: not if it is a wildcard or a variable to IAM, or has other
// spellings.
func pathRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/*-._~:@!'()+,=", c)
}

// glob reports whether s matches a pattern in which "*" is any text. It takes linear time for each "*". Only a "*" of
// the pattern matches a "*" of s, so glob also reports whether one pattern covers another.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// overlap reports whether some text matches both patterns.
func overlap(p, q string) bool {
	// reach[j] reports whether some text matches both the part of p read so far and q[:j].
	reach := make([]bool, len(q)+1)
	reach[0] = true
	for j := 0; j < len(q) && q[j] == '*'; j++ {
		reach[j+1] = true
	}
	for i := range len(p) {
		next := make([]bool, len(q)+1)
		next[0] = reach[0] && p[i] == '*'
		for j := range len(q) {
			if p[i] == '*' || q[j] == '*' { // it matches nothing, or the other one's next character
				next[j+1] = reach[j+1] || next[j]
			} else {
				next[j+1] = reach[j] && p[i] == q[j]
			}
		}
		reach = next
	}
	return reach[len(q)]
}
