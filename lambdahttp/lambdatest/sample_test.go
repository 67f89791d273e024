package lambdatest

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample reads an official sample event out of the module aws-lambda-go.
func sample(t *testing.T, name string) map[string]any {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// free are the members whose own members are names of the user's or of the client's.
var free = []string{"headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "authorizer", "variables"}

// memberNames lists the members of a document, with their parents in front.
func memberNames(doc map[string]any, prefix string) []string {
	var out []string
	for k, v := range doc {
		out = append(out, prefix+k)
		if m, ok := v.(map[string]any); ok && !slices.Contains(free, k) {
			out = append(out, memberNames(m, prefix+k+".")...)
		}
	}
	slices.Sort(out)
	return out
}

// TestEvent_Samples: an event of the simulator has the members of the official sample. Some samples were written by
// hand: what only one side has is listed, and nothing else may differ.
func TestEvent_Samples(t *testing.T) {
	const cert = "clientCert clientCert.clientCertPem clientCert.issuerDN clientCert.serialNumber clientCert.subjectDN clientCert.validity clientCert.validity.notAfter clientCert.validity.notBefore"
	under := func(prefix, names string) []string {
		var out []string
		for _, n := range strings.Fields(names) {
			out = append(out, prefix+n)
		}
		return out
	}
	mtls := append(under("requestContext.authentication.", cert), "requestContext.authentication")
	v2, vars := HTTPAPI, map[string]string{"v": "1"}
	token := &recorder{out: allowAll}
	full := request("POST", "/hello/world?name=me", "{}", "Content-Type: application/json", "Cookie: a=1", "Authorization: t")
	rest := request("POST", "/prod/hello/world?name=me", "{}", "Authorization: t")
	tests := []struct {
		sample     string
		event      func(t *testing.T) map[string]any
		more, less []string // members that only the simulator has, and that only the sample has
	}{
		{"apigw-request.json", gatewayEvent(REST, vars, &LambdaAuthorizer{Function: token}, rest), []string{"isBase64Encoded", "requestContext.identity.principalOrgId"},
			append(under("requestContext.identity.", cert), under("requestContext.identity.", "apiKey apiKeyId")...)},
		{"apigw-v2-request-no-authorizer.json", gatewayEvent(v2, nil, nil, request("GET", "/", "")), nil, mtls},
		{"apigw-v2-request-lambda-authorizer.json", gatewayEvent(v2, vars, &LambdaAuthorizer{Function: token}, full), nil, mtls},
		{"lambda-urls-request.json", gatewayEvent(FunctionURL, nil, nil, full), []string{"routeKey", "requestContext.routeKey", "requestContext.stage"}, []string{"requestContext.authorizer"}},
		{"alb-lambda-target-request-headers-only.json", gatewayEvent(ALB, nil, nil, full), nil, nil},
		{"alb-lambda-target-request-multivalue-headers.json", gatewayEvent(ALBMultiValue, nil, nil, full), nil, nil},
		{"apigw-custom-auth-request.json", authorizerEvent(REST, nil, &LambdaAuthorizer{Type: TokenAuthorizer}, rest), nil, nil},
		{"apigw-custom-auth-request-type-request.json", authorizerEvent(REST, vars, &LambdaAuthorizer{}, rest),
			under("requestContext.", "domainName domainPrefix extendedRequestId protocol requestTime requestTimeEpoch identity.accessKey identity.accountId identity.caller identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId identity.cognitoIdentityPoolId identity.principalOrgId identity.user identity.userAgent identity.userArn"),
			append(under("requestContext.identity.", cert), "requestContext.identity.apiKey")},
		{"apigw-v2-custom-authorizer-v1-request.json", authorizerEvent(v2, vars, &LambdaAuthorizer{PayloadVersion: "1.0"}, full),
			under("requestContext.", "domainName domainPrefix extendedRequestId protocol requestTime requestTimeEpoch identity.accessKey identity.accountId identity.caller identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId identity.cognitoIdentityPoolId identity.principalOrgId identity.user identity.userAgent identity.userArn"),
			append(under("requestContext.identity.", cert), "requestContext.identity.apiKey")},
		{"apigw-v2-custom-authorizer-v2-request.json", authorizerEvent(v2, vars, &LambdaAuthorizer{}, full), nil, mtls},
	}
	for _, tt := range tests {
		t.Run(tt.sample, func(t *testing.T) {
			want := memberNames(sample(t, tt.sample), "")
			got := memberNames(tt.event(t), "")
			for _, m := range got {
				if !slices.Contains(want, m) && !slices.Contains(tt.more, m) {
					t.Errorf("the simulator has %s, the sample has not", m)
				}
			}
			for _, m := range want {
				if !slices.Contains(got, m) && !slices.Contains(tt.less, m) {
					t.Errorf("the sample has %s, the simulator has not", m)
				}
			}
			for _, m := range tt.more {
				if !slices.Contains(got, m) || slices.Contains(want, m) {
					t.Errorf("%s is listed, but does not differ", m)
				}
			}
		})
	}
}

const allowAll = `{"principalId":"u1","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]},"context":{"k":"v"}}`

// gatewayEvent returns the event that a function behind a gateway gets.
func gatewayEvent(kind APIType, vars map[string]string, a *LambdaAuthorizer, r *http.Request) func(*testing.T) map[string]any {
	return func(t *testing.T) map[string]any {
		f := ok()
		route := Route{Path: "/{proxy+}", Function: f}
		if r.URL.Path == "/" {
			route.Path = "$default"
		}
		if a != nil {
			route.Authorizer = a
		}
		again := r.Clone(t.Context()) // a body can be read once
		again.Body = io.NopCloser(strings.NewReader("{}"[:r.ContentLength]))
		if res := serve(mustNew(t, Config{Type: kind, StageVariables: vars, Routes: []Route{route}}), again); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, bodyOf(t, res))
		}
		return f.last(t)
	}
}

// authorizerEvent returns the event that an authorizer gets.
func authorizerEvent(kind APIType, vars map[string]string, a *LambdaAuthorizer, r *http.Request) func(*testing.T) map[string]any {
	return func(t *testing.T) map[string]any {
		f := &recorder{out: allowAll}
		auth := *a
		auth.Function = f
		gatewayEvent(kind, vars, &auth, r)(t)
		return f.last(t)
	}
}
