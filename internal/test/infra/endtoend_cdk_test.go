package infra_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/store/dynamostore"
)

// TestCDK_EndToEnd: a new person signs up at the routes of the synthesised template and calls both APIs of its
// example, and the rotator runs. All functions are the programs that build.sh builds, with the handlers, the
// variables and the settings of authorizers of the template, and with the rights of its roles alone; moto stands in for
// AWS. Only the issuer and its site are of this machine.
func TestCDK_EndToEnd(t *testing.T) {
	stacks := infra.SynthCDK(t, infra.CompileCDK(t), nil)
	auth, apis := infra.Resolve(t, stacks["Auth"], nil), infra.Resolve(t, stacks["Apis"], nil)
	functions := map[string]infra.Resource{} // by their handlers
	for _, tpl := range []*infra.Template{auth, apis} {
		for _, f := range tpl.Of("AWS::Lambda::Function") {
			functions[f.Text("Handler")] = f
		}
	}
	backend := newCloud(t, strings.TrimPrefix(functions["auth"].Text("Environment.Variables.POSTERN_STORE"), "dynamodb:"))
	root := infra.Root(t)
	bootstrap := functiontest.Build(t, filepath.Join(root, "cmd", "postern-lambda"))
	beside(t, bootstrap)

	policies := auth.Policies(t)
	var roles []*infra.Rights
	var h *house
	var rotator lambdatest.Function
	local := functiontest.Serve(t, func(url string) http.Handler {
		h = &house{t: t, issuer: url + "/auth"}
		start := func(handler string) lambdatest.Function {
			rights := infra.NewRights(t, backend.url, handler, policies)
			roles = append(roles, rights)
			f, _ := functiontest.Start(t, bootstrap, append(environment(functions[handler], h.issuer), append(awsVariables(rights.URL), "_HANDLER="+handler)...)...)
			return f
		}
		function := start("auth")
		rotator = start("rotator")
		var routes []lambdatest.Route
		for id, r := range auth.Of("AWS::ApiGatewayV2::Route") {
			if r.Text("AuthorizationType") != "NONE" {
				t.Errorf("%s: the issuer needs a session", id)
			}
			method, path, _ := strings.Cut(r.Text("RouteKey"), " ")
			routes = append(routes, lambdatest.Route{Method: method, Path: path, Function: function})
		}
		h.handler = functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.HTTPAPI, Routes: routes, Domain: strings.TrimPrefix(url, "http://")})
		return h.handler
	}) + "/auth"

	b := h.browser()
	page := b.authorize("link", map[string]any{"email": "ada@example.com"})
	token := b.tokens(b.form(page, "code", map[string]any{"code": backend.code(t)}))["access_token"].(string)

	authorizer, _ := functiontest.Start(t, functiontest.Build(t, filepath.Join(root, "cmd", "postern-authorizer")), environment(functions["authorizer"], local)...)
	api, _ := functiontest.Start(t, functiontest.Build(t, filepath.Join(root, "infra", "example", "api")), environment(functions["api"], local)...)
	guard := func(kind string) (infra.Resource, *lambdatest.LambdaAuthorizer) {
		_, r := apis.One(t, kind)
		if !strings.Contains(r.Text("AuthorizerUri"), "Authorizer") || !strings.Contains(r.Text("AuthorizerUri"), "import:Auth:") {
			t.Errorf("%s invokes %s", kind, r.Text("AuthorizerUri"))
		}
		ttl, _ := r.Get("AuthorizerResultTtlInSeconds").(float64)
		return r, &lambdatest.LambdaAuthorizer{Function: authorizer, Type: r.Text("Type"), TTL: time.Duration(ttl) * time.Second}
	}
	httpAPI, simple := guard("AWS::ApiGatewayV2::Authorizer")
	simple.IdentitySource, simple.Type = []string{httpAPI.Text("IdentitySource.0")}, ""
	simple.SimpleResponses, simple.PayloadVersion = httpAPI.Text("EnableSimpleResponses") == "true", httpAPI.Text("AuthorizerPayloadFormatVersion")
	restAPI, rest := guard("AWS::ApiGateway::Authorizer")
	rest.IdentitySource, rest.IdentityValidation = []string{restAPI.Text("IdentitySource")}, restAPI.Text("IdentityValidationExpression")
	guarded := map[string]string{}
	for _, r := range apis.Of("AWS::ApiGatewayV2::Route") {
		guarded[r.Text("RouteKey")] = r.Text("AuthorizationType")
	}
	_, method := apis.One(t, "AWS::ApiGateway::Method")
	if guarded["GET /me"] != "CUSTOM" || guarded["GET /health"] != "NONE" || method.Text("AuthorizationType") != "CUSTOM" {
		t.Errorf("the routes of the example: %v, and %s for REST", guarded, method.Text("AuthorizationType"))
	}
	callAPIs(t, api, map[lambdatest.APIType]*lambdatest.LambdaAuthorizer{lambdatest.HTTPAPI: simple, lambdatest.REST: rest}, token)

	answer, err := rotator.Invoke(t.Context(), []byte(`{}`))
	var report struct {
		Rotated bool
		Keys    int
	}
	if err != nil || json.Unmarshal(answer, &report) != nil || report.Rotated || report.Keys != 1 {
		t.Errorf("the rotator: %s %v", answer, err)
	}
	for _, r := range roles {
		if refused := r.Refused(); len(refused) > 0 {
			t.Errorf("a role does not allow what its function does: %q", refused)
		}
	}
}

// beside puts infra/postern.toml beside a bootstrap, as build.sh does, for an issuer of this machine.
func beside(t *testing.T, bootstrap string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", "postern.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^(site|origins) .*\n`).ReplaceAll(text, nil)
	if err := os.WriteFile(filepath.Join(filepath.Dir(bootstrap), "postern.toml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// cloud is moto, except for mails: those are kept here.
type cloud struct {
	url   string
	mails chan []byte
}

// awsVariables are those of a function that calls AWS at a URL.
func awsVariables(url string) []string {
	return []string{"AWS_ENDPOINT_URL=" + url, "AWS_REGION=" + infra.Region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
}

func newCloud(t *testing.T, table string) *cloud {
	t.Helper()
	moto, err := url.Parse(testserver.Moto(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{mails: make(chan []byte, 10)}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(moto))
	mux.HandleFunc("POST /v2/email/outbound-emails", func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			Content struct{ Raw struct{ Data []byte } }
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &sent)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mails <- sent.Content.Raw.Data
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"MessageId":"1"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.url = server.URL
	config := aws.Config{Region: infra.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if err := dynamostore.CreateTable(t.Context(), dynamodb.NewFromConfig(config), table); err != nil {
		t.Fatal(err)
	}
	// moto loads a service at its first call, which may take longer than a function waits.
	if _, err := ssm.NewFromConfig(config).GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/nothing")}); err != nil {
		t.Fatal(err)
	}
	return c
}

var mailedCode = regexp.MustCompile(`(?m)^\s*(\d{3}) ?(\d{3})\s*$`)

// code returns the code of the next mail.
func (c *cloud) code(t *testing.T) string {
	t.Helper()
	var mail []byte
	select {
	case mail = <-c.mails:
	case <-time.After(time.Minute):
		t.Fatal("no mail came")
	}
	found := mailedCode.FindSubmatch(mail)
	if found == nil {
		t.Fatalf("a mail without a code: %s", mail)
	}
	return string(found[1]) + string(found[2])
}
