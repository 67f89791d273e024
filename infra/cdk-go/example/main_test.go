package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"github.com/posternauth/postern/infra/cdk-go/internal/typescript"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

type object = map[string]any

// newSettings returns settings with archives that hold an empty program.
func newSettings(t *testing.T) settings {
	t.Helper()
	s := settings{dist: t.TempDir(), account: "123456789012", region: "eu-west-1"}
	for _, name := range []string{"auth", "authorizer", "api"} {
		f, err := os.Create(filepath.Join(s.dist, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		w := zip.NewWriter(f)
		if _, err := w.Create("bootstrap"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return s
}

func synth(t *testing.T, s settings, context map[string]any) (app awscdk.App, auth, apis assertions.Template) {
	t.Helper()
	app = awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), Context: &context})
	a, b := build(app, s)
	return app, assertions.Template_FromStack(a, nil), assertions.Template_FromStack(b, nil)
}

// TestExample_SameAsTypeScript: the templates are those of infra/cdk/example.
func TestExample_SameAsTypeScript(t *testing.T) {
	folder := typescript.Compile(t, filepath.Join("..", "..", "cdk"))
	s := newSettings(t)
	for name, context := range map[string]map[string]any{
		"ssm":     {},
		"kms":     {"keys": "kms", "stage": "test"},
		"secrets": {"keys": "secrets", "domain": "login.example.org", "zone": "Z9999999999999999999", "seal": "POSTERN_VAULT_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := json.Marshal(context)
			if err != nil {
				t.Fatal(err)
			}
			want := t.TempDir()
			typescript.Run(t, folder, []string{
				"POSTERN_DIST=" + s.dist, "CDK_OUTDIR=" + want, "CDK_CONTEXT_JSON=" + string(values), "CDK_DEFAULT_ACCOUNT=" + s.account, "CDK_DEFAULT_REGION=" + s.region,
			}, "dist/example/app.js")
			app, _, _ := synth(t, s, context)
			for _, stack := range []string{"Auth.template.json", "Apis.template.json"} {
				typescript.Same(t, filepath.Join(*app.Outdir(), stack), filepath.Join(want, stack))
			}
		})
	}
}

// TestExample_Secure asserts on what keeps people's sessions safe.
func TestExample_Secure(t *testing.T) {
	_, auth, apis := synth(t, newSettings(t), nil)
	present := assertions.Match_AnyValue()

	auth.HasResource(jsii.String("AWS::DynamoDB::GlobalTable"), object{
		"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
		"Properties": object{
			"TimeToLiveSpecification": object{"AttributeName": "expiry", "Enabled": true},
			"Replicas":                []any{object{"DeletionProtectionEnabled": true, "PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true}}},
		},
	})
	auth.HasResourceProperties(jsii.String("AWS::Scheduler::Schedule"), object{
		"ScheduleExpression": "rate(1 day)",
		"Target":             object{"DeadLetterConfig": object{"Arn": present}, "RetryPolicy": object{"MaximumRetryAttempts": 3}},
	})
	auth.HasResourceProperties(jsii.String("AWS::Lambda::EventInvokeConfig"), object{"DestinationConfig": object{"OnFailure": object{"Destination": present}}})
	auth.HasResourceProperties(jsii.String("AWS::SQS::Queue"), object{"SqsManagedSseEnabled": true, "MessageRetentionPeriod": 1209600})
	for _, metric := range []string{"5xx", "Errors", "KeyAgeSeconds", "RotatorFailures", "ApproximateNumberOfMessagesVisible", "Throttles", "Duration"} {
		auth.HasResourceProperties(jsii.String("AWS::CloudWatch::Alarm"), object{"MetricName": metric})
	}

	for _, authorizer := range []string{"AWS::ApiGatewayV2::Authorizer", "AWS::ApiGateway::Authorizer"} {
		apis.HasResourceProperties(&authorizer, object{"AuthorizerResultTtlInSeconds": 60})
	}
	header := func(name string) string { return "gatewayresponse.header." + name }
	for kind, challenge := range map[string]string{"UNAUTHORIZED": "'Bearer'", "ACCESS_DENIED": `'Bearer error="insufficient_scope"'`} {
		apis.HasResourceProperties(jsii.String("AWS::ApiGateway::GatewayResponse"), object{
			"ResponseType": kind,
			"ResponseParameters": object{
				header("WWW-Authenticate"): challenge, header("Access-Control-Allow-Origin"): "'https://app.example.com'", header("Cache-Control"): "'no-store'",
			},
		})
	}
	for key, kind := range map[string]string{"GET /me": "CUSTOM", "GET /health": "NONE"} {
		apis.HasResourceProperties(jsii.String("AWS::ApiGatewayV2::Route"), object{"RouteKey": key, "AuthorizationType": kind})
	}
	apis.AllResourcesProperties(jsii.String("AWS::ApiGateway::Method"), object{"AuthorizationType": "CUSTOM"})
}

// TestExample_Rights: the authorizer reads neither a key nor the table, and no role has a right on everything.
func TestExample_Rights(t *testing.T) {
	_, auth, apis := synth(t, newSettings(t), nil)
	log := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	if got := actions(t, auth, "authorizer"); !slices.Equal(got, log) {
		t.Errorf("the authorizer may %v", got)
	}
	if got := actions(t, apis, "api"); !slices.Equal(got, log) {
		t.Errorf("the API may %v", got)
	}
	if got := actions(t, auth, "rotator"); !slices.Contains(got, "ssm:PutParameter") || strings.Contains(strings.Join(got, " "), "dynamodb:") {
		t.Errorf("the rotator may %v", got)
	}
	for _, template := range []assertions.Template{auth, apis} {
		text, err := json.Marshal(template.ToJSON())
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`"Resource":"\*"|"Action":"\*"|ManagedPolicyArns|PRIVATE KEY`).Find(text); found != nil {
			t.Errorf("a template has %s", found)
		}
	}
}

// actions returns what the role of the function with a handler may do, sorted.
func actions(t *testing.T, template assertions.Template, handler string) []string {
	t.Helper()
	type resource struct {
		Type       string
		Properties struct {
			Handler        string
			Role           map[string]any
			Roles          []struct{ Ref string }
			PolicyDocument struct{ Statement []struct{ Action any } }
		}
	}
	text, err := json.Marshal((*template.ToJSON())["Resources"])
	if err != nil {
		t.Fatal(err)
	}
	var resources map[string]resource
	if err := json.Unmarshal(text, &resources); err != nil {
		t.Fatal(err)
	}
	role := ""
	for _, r := range resources {
		if r.Type == "AWS::Lambda::Function" && r.Properties.Handler == handler {
			role = r.Properties.Role["Fn::GetAtt"].([]any)[0].(string)
		}
	}
	var all []string
	for _, r := range resources {
		if r.Type != "AWS::IAM::Policy" || r.Properties.Roles[0].Ref != role {
			continue
		}
		for _, s := range r.Properties.PolicyDocument.Statement {
			switch a := s.Action.(type) {
			case string:
				all = append(all, a)
			case []any:
				for _, one := range a {
					all = append(all, one.(string))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
