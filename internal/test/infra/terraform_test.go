package infra_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/secrets"
)

// archives makes the archives of the functions. They are empty, because nothing runs them.
func archives(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"auth", "authorizer", "api"} {
		var archive bytes.Buffer
		w := zip.NewWriter(&archive)
		if _, err := w.Create("bootstrap"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".zip"), archive.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTerraform_Mock runs the tests of the module, which need no AWS, and checks the example.
func TestTerraform_Mock(t *testing.T) {
	tf := infra.NewTerraform(t, "")
	archives(t, tf.Dist)
	for _, folder := range []string{".", "example"} {
		tf.Init(t, folder)
		tf.Run(t, folder, "validate", "-no-color")
	}
	tf.Run(t, ".", "fmt", "-check", "-recursive", "-no-color")
	if out := tf.Run(t, ".", "test", "-no-color"); !bytes.Contains(out, []byte("11 passed, 0 failed")) {
		t.Errorf("terraform test:\n%s", out)
	}
}

// redirects are addresses that commas alone could not separate.
const redirects = `["` + origin + `/?l=1,2","` + origin + `/"]`

// checkRedirects fails unless the functions read the addresses that were meant.
func checkRedirects(t *testing.T, variables map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", "postern.toml"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := serve.Parse("postern.toml", text, func(name string) (string, bool) { value, ok := variables[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{origin + "/?l=1,2", origin + "/"}; !slices.Equal(config.Redirects, want) {
		t.Errorf("redirects %q, want %q", config.Redirects, want)
	}
}

// planned returns the resources of a plan of the module.
func planned(t *testing.T, seal string, more ...string) []infra.Resource {
	t.Helper()
	tf := infra.NewTerraform(t, testserver.Moto(t).URL())
	archives(t, tf.Dist)
	tf.Init(t, ".")
	args := append(more, "-input=false", "-no-color", "-out=planned", "-var=app="+app, "-var=dist="+tf.Dist, "-var=seal="+seal)
	for name, value := range map[string]string{
		"issuer": issuer, "certificate_arn": samValues["Certificate"], "hosted_zone_id": "Z1", "origins": fmt.Sprintf("[%q]", origin),
		"redirects": redirects, "mail_from": samValues["MailFrom"], "mail_identity": samValues["MailIdentity"],
		"alarm_topic_arn": samValues["Topic"],
	} {
		args = append(args, "-var="+name+"="+value)
	}
	tf.Run(t, ".", append([]string{"plan"}, args...)...)
	return tf.PlannedOrMade(t, ".", "planned")
}

// TestTerraform_Plan: what Terraform would make is what the template of SAM has.
func TestTerraform_Plan(t *testing.T) {
	resources := planned(t, "kms:"+sealKey)
	byType := map[string][]infra.Resource{}
	for _, r := range resources {
		byType[r.Type] = append(byType[r.Type], r)
	}
	table := byType["aws_dynamodb_table"][0]
	for path, want := range map[string]string{
		"billing_mode": "PAY_PER_REQUEST", "hash_key": "pk", "range_key": "sk", "deletion_protection_enabled": "true",
		"ttl.0.attribute_name": "expiry", "ttl.0.enabled": "true", "point_in_time_recovery.0.enabled": "true",
	} {
		if got := table.Text(path); got != want {
			t.Errorf("table: %s is %q, want %q", path, got, want)
		}
	}
	logs := map[string]string{}
	for _, group := range byType["aws_cloudwatch_log_group"] {
		logs[group.Text("name")] = group.Text("retention_in_days")
	}
	handlers := map[string]string{}
	for _, f := range byType["aws_lambda_function"] {
		handler := f.Text("handler")
		handlers[f.Text("function_name")] = handler
		for path, want := range map[string]string{
			"runtime": "provided.al2023", "architectures.0": "arm64", "logging_config.0.log_format": "JSON",
			"logging_config.0.application_log_level": "INFO", "logging_config.0.system_log_level": "WARN",
		} {
			if got := f.Text(path); got != want {
				t.Errorf("%s: %s is %q, want %q", handler, path, got, want)
			}
		}
		if got := f.Text("timeout"); got != wantTimeouts[handler] {
			t.Errorf("%s: it may take %s s, want %s", handler, got, wantTimeouts[handler])
		}
		if days := logs[f.Text("logging_config.0.log_group")]; days != "90" {
			t.Errorf("%s: the log is kept %q days", handler, days)
		}
		variables, _ := f.Get("environment.0.variables").(map[string]any)
		got := map[string]string{}
		for name, value := range variables {
			got[name] = strings.ReplaceAll(fmt.Sprint(value), "dynamodb:"+table.Text("name"), "dynamodb:{table}")
		}
		want := maps.Clone(variablesOf(handler))
		if want["POSTERN_REDIRECTS"] != "" {
			want["POSTERN_REDIRECTS"] = redirects
			checkRedirects(t, got)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: variables\n%v, want\n%v", handler, got, want)
		}
	}
	if got := slices.Sorted(maps.Values(handlers)); !slices.Equal(got, []string{"auth", "authorizer", "rotator"}) {
		t.Errorf("functions %v", got)
	}
	var routes []string
	for _, r := range byType["aws_apigatewayv2_route"] {
		routes = append(routes, r.Text("route_key"))
	}
	slices.Sort(routes)
	if !slices.Equal(routes, wantRoutes) {
		t.Errorf("routes\n%q, want\n%q", routes, wantRoutes)
	}
	api := byType["aws_apigatewayv2_api"][0]
	if api.Text("disable_execute_api_endpoint") != "true" || api.Text("cors_configuration") != "[]" {
		t.Errorf("the API of the issuer: %v", api.Properties)
	}
	if record := byType["aws_route53_record"]; len(record) != 1 || record[0].Text("name") != "auth.example.com" {
		t.Errorf("record %v", record)
	}
	schedule := byType["aws_scheduler_schedule"][0]
	if schedule.Text("schedule_expression") != "rate(1 day)" || len(byType["aws_lambda_function_event_invoke_config"]) != 1 || len(byType["aws_sqs_queue"]) != 1 {
		t.Errorf("schedule %v", schedule.Properties)
	}
	checkTerraformAlarms(t, byType["aws_cloudwatch_metric_alarm"], handlers)
}

// TestTerraform_WAF: with a limit, the issuer has the same routes by a REST API with a rule on the rate of an address,
// and no HTTP API beside it.
func TestTerraform_WAF(t *testing.T) {
	byType := map[string][]infra.Resource{}
	for _, r := range planned(t, "", "-var=waf_limit=300") {
		byType[r.Type] = append(byType[r.Type], r)
	}
	for _, kind := range []string{"aws_apigatewayv2_api", "aws_apigatewayv2_route", "aws_apigatewayv2_stage"} {
		if len(byType[kind]) != 0 {
			t.Errorf("%s beside the REST API", kind)
		}
	}
	for _, c := range []struct{ kind, path, want string }{
		{"aws_wafv2_web_acl", "scope", "REGIONAL"},
		{"aws_wafv2_web_acl", "rule.0.statement.0.rate_based_statement.0.limit", "300"},
		{"aws_wafv2_web_acl", "rule.0.statement.0.rate_based_statement.0.aggregate_key_type", "IP"},
		{"aws_wafv2_web_acl", "rule.0.action.0.block.0.custom_response.0.response_code", "429"},
		{"aws_wafv2_web_acl_association", "resource_arn", ""}, // of the stage, known when it is made
		{"aws_api_gateway_rest_api", "disable_execute_api_endpoint", "true"},
		{"aws_api_gateway_rest_api", "binary_media_types.0", "*/*"},
		{"aws_api_gateway_method_settings", "settings.0.throttling_rate_limit", "200"},
		{"aws_apigatewayv2_api_mapping", "stage", "auth"},
	} {
		if all := byType[c.kind]; len(all) != 1 || all[0].Text(c.path) != c.want {
			t.Errorf("%s: %d, %s is not %q: %v", c.kind, len(all), c.path, c.want, all)
		}
	}
	var api struct {
		Paths map[string]map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(byType["aws_api_gateway_rest_api"][0].Text("body")), &api); err != nil {
		t.Fatal(err)
	}
	var routes []string
	for path, methods := range api.Paths {
		routes = append(routes, "ANY "+path)
		integration, _ := methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"].(map[string]any)
		if uri := fmt.Sprint(integration["uri"]); len(methods) != 1 || !strings.HasSuffix(uri, ":function:shop-prod-auth/invocations") || integration["type"] != "aws_proxy" {
			t.Errorf("%s: %v", path, methods)
		}
	}
	slices.Sort(routes)
	if !slices.Equal(routes, wantRoutes) {
		t.Errorf("routes\n%q, want\n%q", routes, wantRoutes)
	}
	if format := byType["aws_api_gateway_stage"][0].Text("access_log_settings.0.format"); !strings.Contains(format, `"route":"$context.resourcePath"`) || strings.Contains(format, "$context.path") {
		t.Errorf("the access log: %s", format)
	}
	if alarms := byType["aws_cloudwatch_metric_alarm"]; !slices.ContainsFunc(alarms, func(a infra.Resource) bool {
		return a.Text("metric_name") == "5XXError" && a.Text("dimensions.ApiName") == "shop-prod-auth"
	}) {
		t.Error("no alarm on errors of the REST API")
	}
}

// TestTerraform_Apply makes the example in moto. A second plan has no changes, no secret is in the plan or in the
// state, and everything can be destroyed once the table is not protected any more.
func TestTerraform_Apply(t *testing.T) {
	const canary = "canary-of-a-client-secret"
	moto := infra.Moto(t, testserver.Moto(t).URL())
	tf := infra.NewTerraform(t, moto)
	archives(t, tf.Dist)
	tf.Init(t, "example")
	noSecret := func(args ...string) []string {
		return append(args, "-input=false", "-no-color", "-var=certificate_arn="+samValues["Certificate"], "-var=dist="+tf.Dist)
	}
	args := func(args ...string) []string { return append(noSecret(args...), "-var=google_client_secret="+canary) }
	if out := tf.Refused(t, "example", noSecret("plan")...); !bytes.Contains(out, []byte("The secret GOOGLE_CLIENT_SECRET has no value")) {
		t.Errorf("without a secret:\n%s", out)
	}
	tf.Run(t, "example", args("plan", "-out=planned")...)
	// A plan file has no values of variables that are ephemeral, so they are given again.
	tf.Run(t, "example", "apply", "-input=false", "-no-color", "-var=google_client_secret="+canary, "planned")
	// The exit status is 2 if there are changes, which fails the test.
	tf.Run(t, "example", args("plan", "-detailed-exitcode", "-out=again")...)

	client := ssm.New(ssm.Options{Region: infra.Region, BaseEndpoint: aws.String(moto), Credentials: credentials.NewStaticCredentialsProvider("x", "x", "")})
	value := func(name string) string {
		key := secrets.Key{App: app, Stage: stage, Kind: secrets.Secret, Name: name}
		out, err := client.GetParameter(context.Background(), &ssm.GetParameterInput{Name: aws.String(key.Path("/postern")), WithDecryption: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		text, err := secrets.Unbind(key, *out.Parameter.Value, false)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	seal := value("POSTERN_VAULT_KEY")
	if key, err := base64.StdEncoding.DecodeString(seal); err != nil || len(key) != 32 {
		t.Errorf("the sealing key has %d bytes (%v), want 32", len(key), err)
	}
	if got := value("GOOGLE_CLIENT_SECRET"); got != canary {
		t.Errorf("the client secret is %q", got)
	}
	for _, name := range []string{"planned", "again", "terraform.tfstate"} {
		for _, secret := range []string{canary, seal} {
			if text := content(t, filepath.Join(tf.Folder, "example", name)); bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has a secret", name)
			} else if !bytes.Contains(text, []byte("shop-prod-auth")) {
				t.Errorf("%s cannot be read: it has no name of a resource", name)
			}
		}
	}
	checkAttached(t, tf.PlannedOrMade(t, "example", ""))

	before := deployment(t, tf)
	extend(t, filepath.Join(tf.Folder, "example", "main.tf"), anotherMethod)
	tf.Run(t, "example", args("apply", "-auto-approve", "-var=deletion_protection=false")...)
	if after := deployment(t, tf); after == before {
		t.Errorf("a method was added, and the stage has the deployment %s as before", after)
	}
	tf.Run(t, "example", args("destroy", "-auto-approve", "-var=deletion_protection=false")...)
	if left := tf.Run(t, "example", "state", "list"); len(bytes.TrimSpace(left)) != 0 {
		t.Errorf("left behind:\n%s", left)
	}
}

// deployment returns what the stage of the REST API serves.
func deployment(t *testing.T, tf *infra.Terraform) string {
	t.Helper()
	for _, r := range tf.PlannedOrMade(t, "example", "") {
		if r.Type == "aws_api_gateway_stage" {
			return r.Text("deployment_id")
		}
	}
	t.Fatal("the example has no stage of a REST API")
	return ""
}

// anotherMethod is what an application adds. moto cannot change a method that it has.
const anotherMethod = `
resource "aws_api_gateway_method" "more" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = aws_api_gateway_resource.me.id
  http_method   = "DELETE"
  authorization = "CUSTOM"
  authorizer_id = module.rest.id
}
`

// extend adds a text to a file.
func extend(t *testing.T, path, more string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(more); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// content returns the text of a state, or of all members of a plan, which is an archive.
func content(t *testing.T, path string) []byte {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	defer archive.Close()
	var all []byte
	for _, member := range archive.File {
		r, err := member.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// checkAttached: the settings of both authorizers are those that package gateway recommends, and each permission is for
// one API or one authorizer of it.
func checkAttached(t *testing.T, resources []infra.Resource) {
	t.Helper()
	ttl := fmt.Sprint(gateway.TTL.Seconds())
	permissions, responses := 0, 0
	for _, r := range resources {
		want := map[string]string{}
		switch r.Type {
		case "aws_apigatewayv2_authorizer":
			want = map[string]string{
				"identity_sources": "[" + gateway.HTTPSource + "]", "authorizer_result_ttl_in_seconds": ttl, "enable_simple_responses": "true",
				"authorizer_payload_format_version": "2.0",
			}
		case "aws_api_gateway_authorizer":
			want = map[string]string{
				"identity_source": gateway.RESTSource, "authorizer_result_ttl_in_seconds": ttl, "identity_validation_expression": gateway.IdentityValidation,
				"type": "TOKEN",
			}
		case "aws_apigatewayv2_api":
			if r.Text("name") == "shop-prod-api" {
				want = map[string]string{"cors_configuration.0.allow_origins": "[" + origin + "]", "cors_configuration.0.allow_credentials": "true"}
			}
		case "aws_api_gateway_gateway_response":
			responses++
			parameters, _ := r.Get("response_parameters").(map[string]any)
			if got := parameters["gatewayresponse.header.Access-Control-Allow-Origin"]; got != "'"+origin+"'" {
				t.Errorf("%s: origin %v", r.Text("response_type"), got)
			}
			challenge := fmt.Sprint(parameters["gatewayresponse.header.WWW-Authenticate"])
			if !strings.HasPrefix(r.Text("response_type"), "DEFAULT_") && !strings.HasPrefix(challenge, "'Bearer") {
				t.Errorf("%s: challenge %s", r.Text("response_type"), challenge)
			}
		case "aws_lambda_permission":
			permissions++
			if source := r.Text("source_arn"); !strings.HasPrefix(source, "arn:aws:execute-api:"+infra.Region+":"+infra.Account+":") || strings.Contains(source, ":*") {
				t.Errorf("a permission for %q", source)
			}
		}
		for path, want := range want {
			if got := r.Text(path); got != want {
				t.Errorf("%s: %s is %q, want %q", r.Type, path, got, want)
			}
		}
	}
	if permissions != 5 || responses != 4 {
		t.Errorf("%d permissions and %d gateway responses, want 5 and 4", permissions, responses)
	}
}
