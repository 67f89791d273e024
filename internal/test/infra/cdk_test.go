package infra_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/infra"
)

// TestCDK compiles infra/cdk once, for all that is checked of it.
func TestCDK(t *testing.T) {
	folder := infra.CompileCDK(t)
	t.Run("assertions and cdk-nag", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "dist/test/")
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "fail 0") || strings.Contains(string(out), "tests 0") {
			t.Errorf("node --test: %v\n%s", err, out)
		}
		checkGatewaySettings(t, string(out))
		checkGrantIssue(t, string(out))
	})
	templates := infra.SynthCDK(t, folder, nil)
	t.Run("cfn-lint", func(t *testing.T) {
		for name, template := range templates {
			path := filepath.Join(t.TempDir(), name+".json")
			if err := os.WriteFile(path, template, 0o600); err != nil {
				t.Fatal(err)
			}
			// W3005: CDK names dependencies that references imply. I1022: it joins texts by Fn::Join.
			infra.Lint(t, []string{"W3005", "I1022"}, path)
		}
	})
	t.Run("no secret and no issuer that is derived", func(t *testing.T) {
		for name, template := range templates {
			for _, no := range []string{"PRIVATE KEY", "AWS::SSM::Parameter\"", "AWS::SecretsManager::Secret\"", "AWSLambdaBasicExecutionRole"} {
				if strings.Contains(string(template), no) {
					t.Errorf("%s has %s", name, no)
				}
			}
		}
		tpl := infra.Resolve(t, templates["Auth"], map[string]string{})
		shares := 0
		for _, a := range tpl.Of("AWS::CloudWatch::Alarm") {
			metrics, _ := a.Get("Metrics").([]any)
			for i := range metrics {
				if checkShare(t, a, a.Text(fmt.Sprintf("Metrics.%d.Expression", i)), func(property string) string { return property }) {
					shares++
				}
			}
		}
		if shares != 1 {
			t.Errorf("%d alarms on the share of failed sign-ins", shares)
		}
		for id, f := range tpl.Of("AWS::Lambda::Function") {
			if got := f.Text("Environment.Variables.POSTERN_ISSUER"); got != "https://auth.example.com/auth" {
				t.Errorf("%s: POSTERN_ISSUER is %q", id, got)
			}
			if got, want := f.Text("Timeout"), wantTimeouts[f.Text("Handler")]; got != want {
				t.Errorf("%s: it may take %s s, want %s", id, got, want)
			}
		}
	})
}

// checkGatewaySettings compares the settings of authorizers in infra/cdk with the constants of package gateway.
func checkGatewaySettings(t *testing.T, out string) {
	t.Helper()
	_, line, found := strings.Cut(out, "gateway {")
	line, _, _ = strings.Cut(line, "\n")
	var got struct {
		TTL                           time.Duration
		Validation, REST, HTTP, Route string
	}
	if err := json.Unmarshal([]byte("{"+line), &got); !found || err != nil {
		t.Fatalf("the tests did not print the settings: %v", err)
	}
	if got.TTL*time.Second != gateway.TTL || got.Validation != gateway.IdentityValidation || got.REST != gateway.RESTSource || got.HTTP != gateway.HTTPSource || got.Route != gateway.HTTPRouteSource {
		t.Errorf("the settings are %+v", got)
	}
}
