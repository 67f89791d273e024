package infra_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/infra"
)

// samValues are the parameters of infra/sam/template.yaml.
var samValues = map[string]string{
	"App": app, "Stage": stage, "Issuer": issuer, "Certificate": "arn:aws:acm:eu-west-1:123456789012:certificate/1", "HostedZone": "Z1",
	"Origins": origin, "Redirects": origin + "/", "MailFrom": "sign-in@example.com", "MailIdentity": "example.com", "SealKey": sealKey,
	"Topic": "arn:aws:sns:eu-west-1:123456789012:alarms",
}

func sam(t *testing.T) *infra.Template {
	t.Helper()
	return infra.Resolve(t, infra.ExpandSAM(t, filepath.Join(infra.Root(t), "infra", "sam", "template.yaml")), samValues)
}

func samExample(t *testing.T) *infra.Template {
	t.Helper()
	return infra.Resolve(t, infra.ExpandSAM(t, filepath.Join(infra.Root(t), "infra", "sam", "example", "template.yaml")), map[string]string{
		"Issuer": issuer, "Origin": origin, "Authorizer": "arn:aws:lambda:eu-west-1:123456789012:function:authorizer",
	})
}

func TestSAM_Lint(t *testing.T) {
	folder := filepath.Join(infra.Root(t), "infra", "sam")
	infra.Lint(t, nil, filepath.Join(folder, "template.yaml"), filepath.Join(folder, "example", "template.yaml"))
}

func TestSAM(t *testing.T) {
	tpl := sam(t)
	table := checkTable(t, tpl)
	checkFunctions(t, tpl, table, "auth", "authorizer", "rotator")
	checkRotation(t, tpl)
	checkAlarms(t, tpl)
	checkPermissions(t, tpl, 1)
	checkIssuer(t, tpl)
	checkOutputs(t, tpl, table)
}

// TestSAM_OneSeal: two seals are refused, because one of them would seal nothing.
func TestSAM_OneSeal(t *testing.T) {
	expanded := infra.ExpandSAM(t, filepath.Join(infra.Root(t), "infra", "sam", "template.yaml"))
	for _, c := range []struct {
		key, secret string
		refused     int
	}{{"", "", 0}, {sealKey, "", 0}, {"", "VAULT_KEY", 0}, {sealKey, "VAULT_KEY", 1}} {
		values := maps.Clone(samValues)
		values["SealKey"], values["SealSecret"] = c.key, c.secret
		if refused := infra.Resolve(t, expanded, values).Refused; len(refused) != c.refused {
			t.Errorf("SealKey %q and SealSecret %q: refused by %q", c.key, c.secret, refused)
		}
	}
}

// TestSAM_Defaults: without a zone, a sealing key and a topic, what belongs to them is left out.
func TestSAM_Defaults(t *testing.T) {
	values := map[string]string{}
	for name, value := range samValues {
		if name != "HostedZone" && name != "SealKey" && name != "Topic" {
			values[name] = value
		}
	}
	tpl := infra.Resolve(t, infra.ExpandSAM(t, filepath.Join(infra.Root(t), "infra", "sam", "template.yaml")), values)
	if len(tpl.Of("AWS::Route53::RecordSet")) != 0 {
		t.Error("a record without a zone")
	}
	for _, f := range functions(t, tpl, "auth", "authorizer", "rotator") {
		if seal := f.Text("Environment.Variables.POSTERN_SEAL"); seal != "" {
			t.Errorf("POSTERN_SEAL is %q", seal)
		}
	}
	for _, g := range infra.Grants(t, app, stage, tpl.Policies(t)) {
		if strings.HasPrefix(g.Action, "kms:") {
			t.Errorf("%s without a sealing key", g)
		}
	}
	for id, a := range tpl.Of("AWS::CloudWatch::Alarm") {
		if actions, _ := a.Get("AlarmActions").([]any); len(actions) != 0 {
			t.Errorf("%s: %v", id, actions)
		}
	}
}

// TestSAM_Example: the settings of both authorizers are those that package gateway recommends, and the origin is exact.
func TestSAM_Example(t *testing.T) {
	tpl := samExample(t)
	checkFunctions(t, tpl, "", "api")
	checkPermissions(t, tpl, 6)
	ttl := fmt.Sprint(gateway.TTL.Seconds())

	_, http := tpl.One(t, "AWS::ApiGatewayV2::Api")
	scheme := "Body.components.securitySchemes.Postern.x-amazon-apigateway-authorizer."
	for path, want := range map[string]string{
		scheme + "identitySource.0": gateway.HTTPSource, scheme + "identitySource.1": "", scheme + "authorizerResultTtlInSeconds": ttl,
		scheme + "enableSimpleResponses": "true", scheme + "authorizerPayloadFormatVersion": "2.0",
		"Body.x-amazon-apigateway-cors.allowOrigins": "[" + origin + "]", "Body.x-amazon-apigateway-cors.allowCredentials": "true",
		"Body.paths./me.get.security.0": "map[Postern:[]]", "Body.paths./health.get.security.0": "map[NONE:[]]", "FailOnWarnings": "true",
	} {
		if got := http.Text(path); got != want {
			t.Errorf("HTTP API: %s is %q, want %q", path, got, want)
		}
	}
	_, rest := tpl.One(t, "AWS::ApiGateway::RestApi")
	definition, responses := "Body.securityDefinitions.Postern.", "Body.x-amazon-apigateway-gateway-responses."
	wants := map[string]string{
		definition + "name": "Authorization", definition + "x-amazon-apigateway-authorizer.type": "token",
		definition + "x-amazon-apigateway-authorizer.authorizerResultTtlInSeconds": ttl,
		definition + "x-amazon-apigateway-authorizer.identityValidationExpression": gateway.IdentityValidation,
		"Body.paths./me.get.security.0":                                            "map[Postern:[]]", "Body.paths./health.get.security.0": "map[NONE:[]]",
		"Body.paths./me.options.security":                                               "",
		responses + "UNAUTHORIZED.responseParameters.gatewayresponse|WWW-Authenticate":  "'Bearer'",
		responses + "ACCESS_DENIED.responseParameters.gatewayresponse|WWW-Authenticate": `'Bearer error="insufficient_scope"'`,
	}
	for _, kind := range []string{"DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED"} {
		wants[responses+kind+".responseParameters.gatewayresponse|Access-Control-Allow-Origin"] = "'" + origin + "'"
	}
	for path, want := range wants {
		folder, header, isHeader := strings.Cut(path, "gatewayresponse|")
		got := rest.Text(path)
		if isHeader { // the names of these members have dots
			parameters, _ := rest.Get(strings.TrimSuffix(folder, ".")).(map[string]any)
			got = fmt.Sprint(parameters["gatewayresponse.header."+header])
		}
		if got != want {
			t.Errorf("REST API: %s is %q, want %q", path, got, want)
		}
	}
}
