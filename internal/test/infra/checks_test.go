package infra_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/infra"
)

// Names that the tests give to the templates.
const (
	app, stage = "shop", "prod"
	issuer     = "https://auth.example.com/auth"
	origin     = "https://app.example.com"
	sealKey    = "arn:aws:kms:eu-west-1:123456789012:key/1"
)

// wantRoutes are the routes of the issuer: everything below its path, and the documents at the root of its host.
var wantRoutes = []string{
	"ANY /.well-known/change-password", "ANY /.well-known/oauth-authorization-server/auth", "ANY /.well-known/openid-configuration/auth",
	"ANY /.well-known/passkey-endpoints", "ANY /.well-known/webauthn", "ANY /auth", "ANY /auth/{proxy+}",
}

// wantAlarms are the metrics that have an alarm, each with the resource or value of its first dimension.
var wantAlarms = []string{
	"AWS/ApiGateway 5xx", "AWS/DynamoDB ReadThrottleEvents", "AWS/DynamoDB WriteThrottleEvents", "AWS/Lambda Duration p99", "AWS/Lambda Errors auth",
	"AWS/Lambda Throttles auth", "AWS/Lambda Throttles authorizer", "AWS/SQS ApproximateNumberOfMessagesVisible", "Postern Errors",
	"Postern KeyAgeSeconds", "Postern RotatorFailures", "Postern SignInFailures", "Postern SignIns",
}

// wantShare is the percentage of failed sign-ins, of which every template has the same alarm.
const wantShare = "IF(FILL(good, 0) + FILL(bad, 0) >= 20, 100 * FILL(bad, 0) / (FILL(good, 0) + FILL(bad, 0)), 0)"

// checkShare checks the alarm on the share, if a is that: the names of its properties are given by name.
func checkShare(t *testing.T, a infra.Resource, expression string, name func(string) string) bool {
	t.Helper()
	if !strings.Contains(expression, "good") {
		return false
	}
	got := fmt.Sprint(a.Text(name("Threshold")), a.Text(name("EvaluationPeriods")), a.Text(name("ComparisonOperator")), a.Text(name("TreatMissingData")))
	if want := "503GreaterThanThresholdnotBreaching"; expression != wantShare || got != want {
		t.Errorf("failed sign-ins: %s, %s, want %s", expression, got, want)
	}
	return true
}

// wantVariables are the variables of each function.
var wantVariables = map[string]map[string]string{
	"auth": {
		"POSTERN_APP": app, "POSTERN_STAGE": stage, "POSTERN_ISSUER": issuer, "POSTERN_AUDIENCE": "api", "POSTERN_ORIGINS": origin,
		"POSTERN_REDIRECTS": origin + "/", "POSTERN_STORE": "dynamodb:{table}", "POSTERN_VAULT": "ssm:/shop/prod/auth/keys",
		"POSTERN_SEAL": "kms:" + sealKey, "POSTERN_MAIL_FROM": "sign-in@example.com",
	},
	"authorizer": {
		"POSTERN_ISSUER": issuer, "POSTERN_AUDIENCE": "api",
		"POSTERN_IDENTITY_SOURCES": "$request.header.Authorization,method.request.header.Authorization",
	},
	"api": {"POSTERN_ISSUER": issuer, "POSTERN_AUDIENCE": "api"},
}

// wantTimeouts are the seconds that each function may take. An authorizer has more than the 3 seconds in which
// cmd/postern-authorizer gives up on the keys of the issuer, and far less than the 10 that an HTTP API waits.
var wantTimeouts = map[string]string{"auth": "10", "authorizer": "5", "rotator": "60", "api": "5"}

// variablesOf returns the variables of a function: the rotator has those of the auth function, and one more.
func variablesOf(handler string) map[string]string {
	if handler != "rotator" {
		return wantVariables[handler]
	}
	out := maps.Clone(wantVariables["auth"])
	out["POSTERN_ROTATE"] = "720h"
	return out
}

// functions returns the functions of a template by their handlers.
func functions(t *testing.T, tpl *infra.Template, want ...string) map[string]infra.Resource {
	t.Helper()
	out := map[string]infra.Resource{}
	for _, f := range tpl.Of("AWS::Lambda::Function") {
		out[f.Text("Handler")] = f
	}
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, want) {
		t.Fatalf("functions %v, want %v", got, want)
	}
	return out
}

// checkFunctions checks the settings of the functions of a template, their logs and their variables.
func checkFunctions(t *testing.T, tpl *infra.Template, table string, want ...string) {
	t.Helper()
	for handler, f := range functions(t, tpl, want...) {
		for path, want := range map[string]string{
			"Runtime": "provided.al2023", "Architectures.0": "arm64", "LoggingConfig.LogFormat": "JSON", "LoggingConfig.SystemLogLevel": "WARN",
		} {
			if got := f.Text(path); got != want {
				t.Errorf("%s: %s is %q, want %q", handler, path, got, want)
			}
		}
		if level := f.Text("LoggingConfig.ApplicationLogLevel"); level != "" && level != "INFO" {
			t.Errorf("%s: the level %s drops metrics, which are log lines of the level INFO", handler, level)
		}
		if got := f.Text("Timeout"); got != wantTimeouts[handler] {
			t.Errorf("%s: it may take %s s, want %s", handler, got, wantTimeouts[handler])
		}
		if memory, _ := f.Get("MemorySize").(float64); handler != "authorizer" && handler != "api" && memory < 512 {
			t.Errorf("%s has %v MB: passwords and RSA need 512", handler, memory)
		}
		if group := logGroup(tpl, f); group.Type != "AWS::Logs::LogGroup" || group.Text("RetentionInDays") != "90" {
			t.Errorf("%s: the log group is %+v, want one that keeps 90 days", handler, group)
		}
		variables, _ := f.Get("Environment.Variables").(map[string]any)
		got := map[string]string{}
		for name, value := range variables {
			got[name] = strings.ReplaceAll(fmt.Sprint(value), "dynamodb:"+table, "dynamodb:{table}")
		}
		if want := variablesOf(handler); !maps.Equal(got, want) {
			t.Errorf("%s: variables\n%v, want\n%v", handler, got, want)
		}
	}
}

// logGroup returns the log group of a function: the one that it names, or the one with the name that Lambda uses then.
func logGroup(tpl *infra.Template, f infra.Resource) infra.Resource {
	if id := f.Text("LoggingConfig.LogGroup"); id != "" {
		return tpl.Resources[id]
	}
	for _, group := range tpl.Of("AWS::Logs::LogGroup") {
		if group.Text("LogGroupName") == "/aws/lambda/"+f.Text("FunctionName") {
			return group
		}
	}
	return infra.Resource{}
}

// checkIssuer checks the address of the issuer: one API with one host, whose routes lead to the auth function, and
// which leaves CORS to it.
func checkIssuer(t *testing.T, tpl *infra.Template) {
	t.Helper()
	api, settings := tpl.One(t, "AWS::ApiGatewayV2::Api")
	if settings.Text("DisableExecuteApiEndpoint") != "true" || settings.Get("CorsConfiguration") != nil {
		t.Errorf("the API of the issuer: %v, want one address, and CORS by the function", settings.Properties)
	}
	integration, target := tpl.One(t, "AWS::ApiGatewayV2::Integration")
	uri := target.Text("IntegrationUri")
	if f := tpl.Resources[uri[strings.LastIndexByte(uri, ':')+1:]]; f.Text("Handler") != "auth" || target.Text("PayloadFormatVersion") != "2.0" {
		t.Errorf("the routes lead to %v", target.Properties)
	}
	var routes []string
	for _, r := range tpl.Of("AWS::ApiGatewayV2::Route") {
		routes = append(routes, r.Text("RouteKey"))
		if r.Text("Target") != "integrations/"+integration || r.Text("ApiId") != api || r.Text("AuthorizationType") != "" {
			t.Errorf("route %v", r.Properties)
		}
	}
	slices.Sort(routes)
	if !slices.Equal(routes, wantRoutes) {
		t.Errorf("routes\n%q, want\n%q", routes, wantRoutes)
	}
	if _, domain := tpl.One(t, "AWS::ApiGatewayV2::DomainName"); domain.Text("DomainName") != "auth.example.com" || domain.Text("DomainNameConfigurations.0.SecurityPolicy") != "TLS_1_2" {
		t.Errorf("domain %v", domain.Properties)
	}
	if _, record := tpl.One(t, "AWS::Route53::RecordSet"); record.Text("Name") != "auth.example.com" {
		t.Errorf("record %v", record.Properties)
	}
	_, live := tpl.One(t, "AWS::ApiGatewayV2::Stage")
	if format := live.Text("AccessLogSettings.Format"); format == "" || strings.Contains(strings.ToLower(format), "path") || strings.Contains(strings.ToLower(format), "query") {
		t.Errorf("the access log has the path or the query, which can contain codes: %s", format)
	}
}

// checkOutputs checks what other stacks read.
func checkOutputs(t *testing.T, tpl *infra.Template, table string) {
	t.Helper()
	for name, want := range map[string]string{"Issuer": issuer, "KeySet": issuer + "/.well-known/jwks.json", "Audience": "api", "Table": table} {
		if got := tpl.Outputs[name]; got != want {
			t.Errorf("output %s is %v, want %s", name, got, want)
		}
	}
	arn := fmt.Sprint(tpl.Outputs["AuthorizerArn"])
	if f := tpl.Resources[arn[strings.LastIndexByte(arn, ':')+1:]]; f.Text("Handler") != "authorizer" {
		t.Errorf("output AuthorizerArn is %s", arn)
	}
}

// checkTable checks that the table has an end of life for items, a way back, and cannot be deleted by accident.
func checkTable(t *testing.T, tpl *infra.Template) (name string) {
	t.Helper()
	id, table := tpl.One(t, "AWS::DynamoDB::Table")
	for path, want := range map[string]string{
		"BillingMode": "PAY_PER_REQUEST", "TimeToLiveSpecification.AttributeName": "expiry", "TimeToLiveSpecification.Enabled": "true",
		"PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": "true", "DeletionProtectionEnabled": "true",
		"KeySchema.0.AttributeName": "pk", "KeySchema.0.KeyType": "HASH", "KeySchema.1.AttributeName": "sk", "KeySchema.1.KeyType": "RANGE",
	} {
		if got := table.Text(path); got != want {
			t.Errorf("table: %s is %q, want %q", path, got, want)
		}
	}
	if table.DeletionPolicy != "Retain" {
		t.Errorf("table: DeletionPolicy is %q, want Retain", table.DeletionPolicy)
	}
	return id
}

// checkRotation checks the schedule, and that no event of it is lost in silence.
func checkRotation(t *testing.T, tpl *infra.Template) {
	t.Helper()
	queue, _ := tpl.One(t, "AWS::SQS::Queue")
	arn := "arn:aws:sqs:" + infra.Region + ":" + infra.Account + ":" + queue
	_, schedule := tpl.One(t, "AWS::Scheduler::Schedule")
	for path, want := range map[string]string{
		"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow.Mode": "FLEXIBLE", "Target.DeadLetterConfig.Arn": arn,
	} {
		if got := schedule.Text(path); got != want {
			t.Errorf("schedule: %s is %q, want %q", path, got, want)
		}
	}
	rotator := schedule.Text("Target.Arn")
	if f := tpl.Resources[rotator[strings.LastIndexByte(rotator, ':')+1:]]; f.Text("Handler") != "rotator" {
		t.Errorf("the schedule runs %s, which is not the rotator", rotator)
	}
	// The scheduler invokes the function by an event, so it cannot see that the function failed: Lambda does.
	_, invoke := tpl.One(t, "AWS::Lambda::EventInvokeConfig")
	if got := invoke.Text("DestinationConfig.OnFailure.Destination"); got != arn {
		t.Errorf("events that the rotator failed on go to %q, want %s", got, arn)
	}
}

// checkAlarms checks that each metric has an alarm, and that the alarms go to the topic.
func checkAlarms(t *testing.T, tpl *infra.Template) {
	t.Helper()
	handlers := map[string]string{}
	for id, f := range tpl.Of("AWS::Lambda::Function") {
		handlers[id] = f.Text("Handler")
		if name := f.Text("FunctionName"); name != "" {
			handlers[name] = f.Text("Handler")
		}
	}
	var got []string
	shares := 0
	add := func(a infra.Resource, prefix, statistic string) {
		name := a.Text(prefix+"Namespace") + " " + a.Text(prefix+"MetricName")
		dimension := a.Text(prefix + "Dimensions.0.Value")
		switch {
		case strings.HasPrefix(statistic, "p"):
			name += " " + statistic
		case strings.HasPrefix(name, "AWS/Lambda "):
			name += " " + handlers[dimension]
		case strings.HasPrefix(name, "Postern ") && dimension != issuer:
			t.Errorf("%s has the dimension %q, want the issuer", name, dimension)
		}
		got = append(got, name)
	}
	for id, a := range tpl.Of("AWS::CloudWatch::Alarm") {
		if a.Text("AlarmActions.0") != "arn:aws:sns:eu-west-1:123456789012:alarms" || a.Text("AlarmDescription") == "" {
			t.Errorf("%s: actions %v, description %q", id, a.Get("AlarmActions"), a.Text("AlarmDescription"))
		}
		if a.Text("MetricName") != "" {
			add(a, "", a.Text("ExtendedStatistic"))
		}
		metrics, _ := a.Get("Metrics").([]any)
		for i := range metrics {
			if text := a.Text(fmt.Sprintf("Metrics.%d.Expression", i)); !filled(text) {
				t.Errorf("%s: %s has no datapoint where a metric has none", id, text)
			} else if checkShare(t, a, text, func(property string) string { return property }) {
				shares++
			}
			if prefix := fmt.Sprintf("Metrics.%d.MetricStat.Metric.", i); a.Get(strings.TrimSuffix(prefix, ".")) != nil {
				add(a, prefix, "")
			}
		}
		if a.Text("MetricName") == "KeyAgeSeconds" && a.Text("TreatMissingData") != "breaching" {
			t.Errorf("%s: a rotator that does not run is no alarm", id)
		}
	}
	slices.Sort(got)
	if shares != 1 {
		t.Errorf("%d alarms on the share of failed sign-ins", shares)
	}
	if !slices.Equal(got, wantAlarms) {
		t.Errorf("alarms on\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantAlarms, "\n"))
	}
}

var fill = regexp.MustCompile(`FILL\([a-z]+, 0\)`)

// filled reports whether an expression of an alarm takes a metric without a datapoint as 0: nothing writes zeros.
func filled(expression string) bool {
	return !strings.ContainsAny(fill.ReplaceAllString(expression, ""), "abcdefghijklmnopqrstuvwxyz")
}

// checkPermissions checks that each permission to invoke a function is for one API of this account.
func checkPermissions(t *testing.T, tpl *infra.Template, want int) {
	t.Helper()
	found := tpl.Of("AWS::Lambda::Permission")
	if len(found) != want {
		t.Errorf("%d permissions, want %d", len(found), want)
	}
	for id, p := range found {
		source := p.Text("SourceArn")
		if p.Text("Action") != "lambda:InvokeFunction" || !strings.HasPrefix(source, "arn:aws:execute-api:"+infra.Region+":"+infra.Account+":") {
			t.Errorf("%s: %v, want aws:SourceArn of an API", id, p.Properties)
		}
		if api := strings.SplitN(strings.SplitN(source, ":", 6)[5], "/", 2)[0]; tpl.Resources[api].Type == "" {
			t.Errorf("%s: %s is no API of the template", id, source)
		}
	}
}
