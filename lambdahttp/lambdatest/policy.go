package lambdatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const maxResourceARN = 512 // of a policy, in characters

// A policy is the policy document of an authorizer, checked.
type policy struct{ statements []statement }

type statement struct {
	allow              bool
	actions, resources []string
}

// parsePolicy reads a policy document. Elements that the simulator does not evaluate are an error: conditions,
// principals, NotAction, NotResource and unknown effects.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
func parsePolicy(raw json.RawMessage) (*policy, error) {
	var doc struct {
		Version   *string
		Statement json.RawMessage
	}
	if err := strictObject(raw, &doc, "Version", "Id", "Statement"); err != nil {
		return nil, fmt.Errorf("policyDocument: %w", err)
	}
	if doc.Version != nil && *doc.Version != "2012-10-17" && *doc.Version != "2008-10-17" {
		return nil, fmt.Errorf("policyDocument: there is no Version %q", *doc.Version)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(doc.Statement, &list); err != nil {
		list = []json.RawMessage{doc.Statement} // a single statement may stand without a list
	}
	if len(list) == 0 {
		return nil, errors.New("policyDocument: Statement is empty")
	}
	p := &policy{}
	for i, raw := range list {
		s, err := parseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("policyDocument: Statement[%d]: %w", i, err)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func parseStatement(raw json.RawMessage) (s statement, err error) {
	var doc struct {
		Effect           string
		Action, Resource json.RawMessage
	}
	if err := strictObject(raw, &doc, "Sid", "Effect", "Action", "Resource"); err != nil {
		return s, err
	}
	switch doc.Effect {
	case "Allow":
		s.allow = true
	case "Deny":
	default:
		return s, fmt.Errorf("the Effect must be Allow or Deny, not %q", doc.Effect)
	}
	if s.actions, err = oneOrMore(doc.Action, "Action"); err != nil {
		return s, err
	}
	if s.resources, err = oneOrMore(doc.Resource, "Resource"); err != nil {
		return s, err
	}
	for _, r := range s.resources {
		if len(r) > maxResourceARN {
			return s, fmt.Errorf("a Resource has %d characters: at most %d are allowed", len(r), maxResourceARN)
		}
		if r != "*" && len(strings.SplitN(r, ":", 6)) != 6 {
			return s, fmt.Errorf("the Resource %q is neither an ARN nor *", r)
		}
	}
	return s, nil
}

// strictObject decodes an object that may have the named members only.
func strictObject(raw json.RawMessage, into any, names ...string) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return errors.New("it is not an object")
	}
	for k := range m {
		if !slices.Contains(names, k) {
			return fmt.Errorf("it has a member %q, which this simulator does not evaluate", k)
		}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errors.New("a member has the wrong type")
	}
	return nil
}

func oneOrMore(raw json.RawMessage, name string) ([]string, error) {
	var list []string
	var one string
	switch {
	case json.Unmarshal(raw, &one) == nil && !isNull(raw):
		list = []string{one}
	case json.Unmarshal(raw, &list) != nil:
		return nil, fmt.Errorf("%s must be a string or a list of strings", name)
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return list, nil
}

// A verdict is the outcome of a policy. Only allowed lets a request pass.
type verdict int

const (
	implicitDeny verdict = iota // no statement matches the request
	explicitDeny
	allowed
)

// evaluate decides on one method: an explicit Deny wins, then an Allow; no statement is a no.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (p *policy) evaluate(arn string) verdict {
	v := implicitDeny
	for _, s := range p.statements {
		if !slices.ContainsFunc(s.actions, func(a string) bool { return glob(strings.ToLower(a), "execute-api:invoke") }) {
			continue
		}
		if !slices.ContainsFunc(s.resources, func(r string) bool { return matchARN(r, arn) }) {
			continue
		}
		if !s.allow {
			return explicitDeny
		}
		v = allowed
	}
	return v
}

// matchARN compares a Resource with the ARN of a method. A wildcard stays within its part of the ARN, of which the
// sixth is the rest; there "*" runs across slashes, so that ".../GET/a/*" covers everything below.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func matchARN(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	p, a := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(p) != len(a) {
		return false
	}
	for i := range p {
		if !glob(p[i], a[i]) {
			return false
		}
	}
	return true
}

// glob matches "*" with any text and "?" with any one byte, in time that is linear for each "*".
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
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
