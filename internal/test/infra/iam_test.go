package infra_test

import (
	"maps"
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

// checkIAM compares the grants of a tool, with each way to seal the keys, with the table.
func checkIAM(t *testing.T, grants []infra.Grant) {
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
		if !slices.Contains(grants, g) {
			t.Errorf("%s: in infra/iam.md, and in no role", g)
		}
	}
}

// sealedBySecret are the values of samValues, with keys that a secret seals.
func sealedBySecret() map[string]string {
	values := maps.Clone(samValues)
	delete(values, "SealKey")
	values["SealSecret"] = infra.SealSecret
	return values
}

// checkSeal: the rotator of an application may read the one secret that seals the keys, and none where it is not one.
func checkSeal(t *testing.T, name string, secret, others []infra.Policy) {
	t.Helper()
	for want, policies := range map[string][]infra.Policy{"parameter/postern/{app}/{stage}/Secret/{seal}/value": secret, "": others} {
		got := ""
		for _, g := range infra.Grants(t, name, stage, policies) {
			if g.Role == "rotator" && strings.HasPrefix(g.Resource, "parameter/postern") {
				got += g.Resource
			}
		}
		if got != want {
			t.Errorf("the rotator may read %q, want %q", got, want)
		}
	}
}

func TestIAM_SAM(t *testing.T) {
	document := infra.ExpandSAM(t, filepath.Join(infra.Root(t), "infra", "sam", "template.yaml"))
	secret := infra.Resolve(t, document, sealedBySecret())
	for _, f := range functions(t, secret, "auth", "authorizer", "rotator") {
		if got := f.Text("Environment.Variables.POSTERN_SEAL"); f.Text("Handler") != "authorizer" && got != "secret:"+infra.SealSecret {
			t.Errorf("%s: POSTERN_SEAL is %q", f.Text("Handler"), got)
		}
	}
	kms := infra.Resolve(t, document, samValues).Policies(t)
	checkSeal(t, app, secret.Policies(t), kms)
	checkIAM(t, infra.Grants(t, app, stage, slices.Concat(kms, secret.Policies(t), samExample(t).Policies(t))))
}

func TestIAM_Serverless(t *testing.T) {
	path := packaged(t, "serverless")
	kms, secret := resolved(t, path, samValues).Policies(t), resolved(t, path, sealedBySecret()).Policies(t)
	checkSeal(t, app, secret, kms)
	example := resolved(t, packaged(t, filepath.Join("serverless", "example")), nil).Policies(t)
	checkIAM(t, infra.Grants(t, app, stage, slices.Concat(kms, secret, example)))
}

// TestIAM_Terraform: the roles of the plan, and those that the example adds.
func TestIAM_Terraform(t *testing.T) {
	kms, secret := infra.TerraformPolicies(t, planned(t, "kms:"+sealKey)), infra.TerraformPolicies(t, planned(t, "secret:"+infra.SealSecret))
	checkSeal(t, app, secret, kms)
	log := []any{map[string]any{"Effect": "Allow", "Action": []any{"logs:CreateLogStream", "logs:PutLogEvents"}, "Resource": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/shop-prod-api:*"}}
	application := infra.Policy{Role: "application", Document: map[string]any{"Statement": log}}
	checkIAM(t, infra.Grants(t, app, stage, append(slices.Concat(kms, secret), application)))
}

// TestIAM_CDK: the roles of the synthesised application.
func TestIAM_CDK(t *testing.T) {
	folder := infra.CompileCDK(t)
	policies := func(context map[string]string) (out []infra.Policy) {
		context["stage"] = stage
		for _, template := range infra.SynthCDK(t, folder, context) {
			out = append(out, infra.Resolve(t, template, map[string]string{}).Policies(t)...)
		}
		return out
	}
	none, kms, secret := policies(map[string]string{}), policies(map[string]string{"keys": "kms"}), policies(map[string]string{"seal": infra.SealSecret})
	checkSeal(t, "example", secret, slices.Concat(none, kms))
	checkIAM(t, infra.Grants(t, "example", stage, slices.Concat(none, kms, secret)))
}

// TestIAM_Finds: the comparison notices a new action, a wider resource, and a key in the reach of the authorizer.
func TestIAM_Finds(t *testing.T) {
	grant := func(role, action, resource string) infra.Grant {
		once := map[string]any{"StringNotEquals": map[string]any{"ssm:Overwrite": "true"}}
		policy := map[string]any{"Statement": []any{map[string]any{"Effect": "Allow", "Action": action, "Resource": resource, "Condition": once}}}
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
		{grant("auth", "ssm:DeleteParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/prod/auth/keys/*"), false},
		{grant("rotator", "ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/postern/shop/prod/Secret/POSTERN_VAULT_KEY/value"), true},
		{grant("rotator", "ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/postern/shop/prod/Secret/GOOGLE_CLIENT_SECRET/value"), false},
		{grant("rotator", "ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/postern/shop/prod/*"), false},
		{grant("authorizer", "ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/prod/auth/keys/*"), false},
		{grant("authorizer", "dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/auth"), false},
		{grant("schedule", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:*"), false},
	} {
		if slices.Contains(table, c.g) != c.in {
			t.Errorf("%s: in the table is %v, want %v", c.g, !c.in, c.in)
		}
	}
}
