package infra_test

import (
	"archive/zip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

// packaged returns the path of the template that osls makes of a serverless.yml in a folder of infra. The archives of
// the functions are empty ones, because a template has only their names.
func packaged(t *testing.T, folder string) string {
	t.Helper()
	node := testneed.Binary(t, "node", "Debian package nodejs")
	modules := npm.Modules(t, "osls")
	work := t.TempDir()
	file, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", folder, "serverless.yml"))
	if err != nil {
		t.Fatal(err)
	}
	service, dist := filepath.Join(work, folder), filepath.Join(work, "dist")
	for _, dir := range []string{service, dist} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(service, "serverless.yml"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"auth", "authorizer", "api"} {
		archive, err := os.Create(filepath.Join(dist, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		w := zip.NewWriter(archive)
		if _, err := w.Create("bootstrap"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(work, "out")
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "osls", "bin", "serverless.js"), "package", "--package", out)
	cmd.Dir = service
	// No credentials, and no home with settings of the machine.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "CI=1"}
	if text, err := cmd.CombinedOutput(); err != nil || strings.Contains(strings.ToLower(string(text)), "warning") {
		t.Fatalf("osls package: %v\n%s", err, text)
	}
	return filepath.Join(out, "cloudformation-template-update-stack.json")
}

func resolved(t *testing.T, path string, values map[string]string) *infra.Template {
	t.Helper()
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return infra.Resolve(t, document, values)
}

// TestServerless: what osls makes of serverless.yml is what the template of SAM has.
func TestServerless(t *testing.T) {
	path := packaged(t, "serverless")
	infra.Lint(t, []string{"W3005", "I1022", "I3011"}, path) // of what osls itself adds
	tpl := resolved(t, path, samValues)
	table := checkTable(t, tpl)
	checkFunctions(t, tpl, table, "auth", "authorizer", "rotator")
	checkRotation(t, tpl)
	checkAlarms(t, tpl)
	checkPermissions(t, tpl, 1)
	checkIssuer(t, tpl)
	checkOutputs(t, tpl, table)
	resolved(t, path, nil) // the settings of the file itself
}

// TestServerless_Example: the settings of both authorizers are those that package gateway recommends, and the origin is
// exact.
func TestServerless_Example(t *testing.T) {
	path := packaged(t, filepath.Join("serverless", "example"))
	infra.Lint(t, []string{"W3005", "I1022", "I3011"}, path)
	tpl := resolved(t, path, nil)
	checkFunctions(t, tpl, "", "api")
	checkPermissions(t, tpl, 4)
	ttl := fmt.Sprint(gateway.TTL.Seconds())
	_, api := tpl.One(t, "AWS::ApiGatewayV2::Api")
	id, http := tpl.One(t, "AWS::ApiGatewayV2::Authorizer")
	restID, rest := tpl.One(t, "AWS::ApiGateway::Authorizer")
	for _, c := range []struct {
		resource   infra.Resource
		path, want string
	}{
		{api, "CorsConfiguration.AllowOrigins", "[" + origin + "]"},
		{api, "CorsConfiguration.AllowCredentials", "true"},
		{http, "IdentitySource", "[" + gateway.HTTPSource + "]"},
		{http, "AuthorizerResultTtlInSeconds", ttl},
		{http, "EnableSimpleResponses", "true"},
		{http, "AuthorizerPayloadFormatVersion", "2.0"},
		{rest, "IdentitySource", gateway.RESTSource},
		{rest, "AuthorizerResultTtlInSeconds", ttl},
		{rest, "IdentityValidationExpression", gateway.IdentityValidation},
		{rest, "Type", "TOKEN"},
	} {
		if got := c.resource.Text(c.path); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.resource.Type, c.path, got, c.want)
		}
	}
	for _, route := range tpl.Of("AWS::ApiGatewayV2::Route") {
		if key := route.Text("RouteKey"); (key == "GET /me") != (route.Text("AuthorizerId") == id) {
			t.Errorf("route %s has the authorizer %q", key, route.Text("AuthorizerId"))
		}
	}
	for name, method := range tpl.Of("AWS::ApiGateway::Method") {
		if guarded := name == "ApiGatewayMethodMeGet"; guarded != (method.Text("AuthorizerId") == restID) {
			t.Errorf("method %s has the authorizer %q", name, method.Text("AuthorizerId"))
		}
	}
	responses := map[string]bool{}
	for _, r := range tpl.Of("AWS::ApiGateway::GatewayResponse") {
		parameters, _ := r.Get("ResponseParameters").(map[string]any)
		kind := r.Text("ResponseType")
		responses[kind] = parameters["gatewayresponse.header.Access-Control-Allow-Origin"] == "'"+origin+"'" &&
			(strings.HasPrefix(kind, "DEFAULT_") || strings.HasPrefix(fmt.Sprint(parameters["gatewayresponse.header.WWW-Authenticate"]), "'Bearer"))
	}
	for _, kind := range []string{"DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED"} {
		if !responses[kind] {
			t.Errorf("the gateway response %s lacks the exact origin or the challenge", kind)
		}
	}
}
