package infra_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/infra"
)

// starred are the only resources with a star: rings under their numbers, and the secrets of one application and stage.
var starred = []string{"parameter/{app}/{stage}/auth/keys/*", "parameter/postern/{app}/{stage}/*"}

var iamRow = regexp.MustCompile(`(?m)^\| ([a-z]+) \| ([a-z0-9]+:[A-Za-z]+) \| ([^|]+) \| ([^|]+) \|$`)

// iamTable reads the table of infra/iam.md.
func iamTable(t *testing.T) []infra.Grant {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", "iam.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []infra.Grant
	for _, row := range iamRow.FindAllStringSubmatch(string(text), -1) {
		g := infra.Grant{Role: row[1], Action: row[2], Resource: row[3]}
		if slices.Contains(out, g) {
			t.Errorf("infra/iam.md has the row %s twice", g)
		}
		out = append(out, g)
	}
	return out
}

// checkIAM compares the grants of a tool with the table. unused are actions that its application does not need.
func checkIAM(t *testing.T, grants []infra.Grant, unused ...string) {
	t.Helper()
	table := iamTable(t)
	for _, g := range grants {
		if !slices.Contains(table, g) {
			t.Errorf("%s: not in infra/iam.md", g)
		}
		if strings.Contains(g.Action, "*") || strings.Contains(g.Resource, "*") && !slices.Contains(starred, g.Resource) {
			t.Errorf("%s: a star", g)
		}
		// What somebody could do who controls the authorizer.
		if g.Role == "authorizer" && !strings.HasPrefix(g.Action, "logs:") {
			t.Errorf("%s: the authorizer needs nothing but its log", g)
		}
	}
	for _, g := range table {
		if !slices.Contains(grants, g) && !slices.Contains(unused, g.Action) {
			t.Errorf("%s: in infra/iam.md, and in no role", g)
		}
	}
}

func TestIAM_SAM(t *testing.T) {
	checkIAM(t, infra.Grants(t, app, stage, append(sam(t).Policies(t), samExample(t).Policies(t)...)))
}

func TestIAM_Serverless(t *testing.T) {
	example := resolved(t, packaged(t, filepath.Join("serverless", "example")), nil)
	checkIAM(t, infra.Grants(t, app, stage, append(serverless(t).Policies(t), example.Policies(t)...)))
}

// TestIAM_Terraform: the roles of the plan, and those that the example adds.
func TestIAM_Terraform(t *testing.T) {
	policies := infra.TerraformPolicies(t, planned(t))
	log := []any{map[string]any{"Effect": "Allow", "Action": []any{"logs:CreateLogStream", "logs:PutLogEvents"}, "Resource": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/shop-prod-api:*"}}
	policies = append(policies, infra.Policy{Role: "application", Document: map[string]any{"Statement": log}})
	checkIAM(t, infra.Grants(t, app, stage, policies))
}

// TestIAM_CDK: the roles of the synthesised application, which has no sealing key.
func TestIAM_CDK(t *testing.T) {
	var policies []infra.Policy
	for _, template := range infra.SynthCDK(t, infra.CompileCDK(t), nil) {
		policies = append(policies, infra.Resolve(t, template, map[string]string{}).Policies(t)...)
	}
	checkIAM(t, infra.Grants(t, "example", stage, policies), "kms:GenerateDataKey", "kms:Decrypt")
}

// TestIAM_Finds: the comparison notices a new action, a wider resource, and a key in the reach of the authorizer.
func TestIAM_Finds(t *testing.T) {
	grant := func(role, action, resource string) infra.Grant {
		policy := map[string]any{"Statement": []any{map[string]any{"Effect": "Allow", "Action": action, "Resource": resource}}}
		got := infra.Grants(t, app, stage, []infra.Policy{{Role: role, Document: policy}})
		if len(got) != 1 {
			t.Fatalf("%d grants, want 1", len(got))
		}
		return got[0]
	}
	table := iamTable(t)
	for _, c := range []struct {
		g  infra.Grant
		in bool
	}{
		{grant("auth", "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/auth"), true},
		{grant("auth", "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/*"), false},
		{grant("auth", "dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:123456789012:table/auth"), false},
		{grant("auth", "logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/auth:*"), true},
		{grant("auth", "logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:*"), false},
		{grant("auth", "logs:PutLogEvents", "*"), false},
		{grant("auth", "ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/prod/auth/keys/*"), true},
		{grant("auth", "ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/*"), false},
		{grant("authorizer", "ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/prod/auth/keys/*"), false},
		{grant("authorizer", "dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/auth"), false},
		{grant("schedule", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:*"), false},
	} {
		if slices.Contains(table, c.g) != c.in {
			t.Errorf("%s: in the table is %v, want %v", c.g, !c.in, c.in)
		}
	}
}
