package infra

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A Grant is one action that a role may use on one resource, in plain words as in infra/iam.md.
type Grant struct{ Role, Action, Resource string }

func (g Grant) String() string { return fmt.Sprintf("%s: %s on %s", g.Role, g.Action, g.Resource) }

// A Policy is a policy document of a role.
type Policy struct {
	Role     string // as in infra/iam.md: auth, authorizer, rotator, schedule or application
	Document any
}

// Grants returns what the policies of roles allow, sorted. App and stage of the resources are written as placeholders.
func Grants(t testing.TB, app, stage string, policies []Policy) []Grant {
	t.Helper()
	found := map[Grant]bool{}
	for _, p := range policies {
		for _, s := range statements(t, p.Document) {
			if s.Effect != "Allow" || len(s.NotAction)+len(s.NotResource) > 0 {
				t.Errorf("%s: a statement that does not allow actions on resources: %+v", p.Role, s)
			}
			for _, action := range s.Action {
				if action == "ssm:PutParameter" && s.Condition["StringNotEquals"]["ssm:Overwrite"] != "true" {
					t.Errorf("%s: ssm:PutParameter may replace a version of the ring: %+v", p.Role, s)
				}
				for _, resource := range s.Resource {
					found[Grant{p.Role, action, plain(resource, app, stage)}] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Grant) int { return strings.Compare(a.String(), b.String()) })
}

type statement struct {
	Effect                                   string
	Action, NotAction, Resource, NotResource oneOrMany
	Condition                                map[string]map[string]any
}

type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

func statements(t testing.TB, document any) []statement {
	t.Helper()
	text, ok := document.(string)
	if !ok {
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	var policy struct{ Statement []statement }
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatalf("policy %s: %v", text, err)
	}
	return policy.Statement
}

// logGroupARN is the end of the ARN of one log group, with or without its streams.
var logGroupARN = regexp.MustCompile(`^log-group:[^*:]+(:\*)?$`)

// plain names a resource of a policy without the names that differ from template to template.
func plain(arn, app, stage string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return arn
	}
	service, resource := parts[2], parts[5]
	switch {
	case service == "logs" && logGroupARN.MatchString(resource):
		return "its log group"
	case service == "dynamodb" && strings.HasPrefix(resource, "table/") && !strings.ContainsAny(resource[6:], "/*"):
		return "the table"
	case service == "sqs" && !strings.Contains(resource, "*"):
		return "the dead-letter queue"
	case service == "lambda" && strings.HasPrefix(resource, "function:") && !strings.Contains(resource, "*"):
		return "the rotator"
	case service == "kms" && strings.HasPrefix(resource, "key/") && !strings.Contains(resource, "*"):
		return "the sealing key"
	case service == "ses" && strings.HasPrefix(resource, "identity/") && !strings.Contains(resource, "*"):
		return "the mail identity"
	}
	return strings.NewReplacer("/"+app+"/"+stage+"/", "/{app}/{stage}/", "Secret/"+SealSecret+"/", "Secret/{seal}/").Replace(resource)
}

// SealSecret is the secret that seals the keys, where tests seal them by a secret.
const SealSecret = "POSTERN_VAULT_KEY"

// roleOf names the role of a function by its handler.
func roleOf(handler string) string {
	if handler == "api" {
		return "application"
	}
	return handler
}

// Policies returns the policies of all roles of a template.
func (t *Template) Policies(tb testing.TB) []Policy {
	tb.Helper()
	names := map[string]string{} // of roles, by their ids
	for _, f := range t.Of("AWS::Lambda::Function") {
		id := f.Text("Role")
		id = id[strings.LastIndexByte(id, '/')+1:]
		if names[id] != "" && names[id] != roleOf(f.Text("Handler")) {
			tb.Errorf("the functions %s and %s have one role", names[id], f.Text("Handler"))
		}
		names[id] = roleOf(f.Text("Handler"))
	}
	for _, s := range t.Of("AWS::Scheduler::Schedule") {
		id := s.Text("Target.RoleArn")
		names[id[strings.LastIndexByte(id, '/')+1:]] = "schedule"
	}
	var out []Policy
	for id, role := range t.Of("AWS::IAM::Role") {
		if names[id] == "" {
			tb.Errorf("the role %s belongs to nothing that is known here", id)
		}
		if managed, _ := role.Get("ManagedPolicyArns").([]any); len(managed) > 0 {
			tb.Errorf("the role %s has managed policies: %v", id, managed)
		}
		inline, _ := role.Get("Policies").([]any)
		for i := range inline {
			out = append(out, Policy{names[id], role.Get(fmt.Sprintf("Policies.%d.PolicyDocument", i))})
		}
	}
	for id, policy := range t.Of("AWS::IAM::Policy") {
		roles, _ := policy.Get("Roles").([]any)
		for _, role := range roles {
			if names[fmt.Sprint(role)] == "" {
				tb.Errorf("the policy %s is for the role %v, which belongs to nothing that is known here", id, role)
			}
			out = append(out, Policy{names[fmt.Sprint(role)], policy.Get("PolicyDocument")})
		}
	}
	return out
}
