package infra

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// Root returns the folder of the repository. Tests run in a folder three levels below it.
func Root(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// expand prints a template of SAM as CloudFormation gets it.
const expand = `
import json, sys
try:
    from samtranslator.public.translator import ManagedPolicyLoader
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse
except ImportError:
    sys.exit(77)
class NoManagedPolicies:
    def load(self):
        return {}
import os
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
with open(sys.argv[1]) as f:
    template = yaml_parse(f.read())
def local(node):
    # sam package replaces a path on this machine by the place of the archive in S3.
    for resource in node["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function" and isinstance(properties.get("CodeUri"), str):
            properties["CodeUri"] = "s3://bucket/" + properties["CodeUri"].split("/")[-1]
local(template)
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout)
`

const exitNoModule = 77 // of expand

// ExpandSAM returns a template of SAM as CloudFormation gets it, by the translator that AWS uses. Where the translator
// is missing the test skips.
func ExpandSAM(t testing.TB, path string) []byte {
	t.Helper()
	python := testneed.Binary(t, "python3", "Debian package python3")
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, "-c", expand, path)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitNoModule {
			testneed.Skip(t, "needs the translator of SAM: pip install aws-sam-translator==1.110.0")
		}
		t.Fatalf("expanding %s: %v\n%s", path, err, errs.String())
	}
	return out.Bytes()
}

// Lint checks templates by cfn-lint, which may find nothing except the rules that are ignored. Where it is missing the
// test skips.
func Lint(t testing.TB, ignore []string, paths ...string) {
	t.Helper()
	lint := testneed.Binary(t, "cfn-lint", "pip install cfn-lint==1.51.0")
	args := []string{"--regions", Region, "--include-checks", "I", "--ignore-checks"}
	args = append(args, strings.Join(append(ignore, "I3042"), ",")) // I3042 is about other partitions
	args = append(append(args, "--"), paths...)
	if out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
