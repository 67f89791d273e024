package infra

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// A Terraform is a working copy of infra/terraform. Make it with [NewTerraform].
type Terraform struct {
	Folder, Dist string // the copy, and a folder for archives
	binary       string
	env          []string
}

// NewTerraform copies infra/terraform. endpoint is the server that stands in for AWS; empty: none. Where Terraform is
// missing, the test skips.
func NewTerraform(t testing.TB, endpoint string) *Terraform {
	t.Helper()
	work := t.TempDir()
	tf := &Terraform{Folder: filepath.Join(work, "terraform"), Dist: filepath.Join(work, "dist")}
	tf.binary = testneed.Binary(t, "terraform", "Terraform 1.11.4 from releases.hashicorp.com")
	if err := os.CopyFS(tf.Folder, os.DirFS(filepath.Join(Root(t), "infra", "terraform"))); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(tf.Dist, 0o700); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(work, "terraformrc") // none of the machine
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tf.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + work, "TF_CLI_CONFIG_FILE=" + settings, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=" + Region,
	}
	if endpoint != "" {
		tf.env = append(tf.env, "AWS_ENDPOINT_URL="+endpoint)
	}
	return tf
}

// unreachable is what Terraform prints when its registry cannot be reached.
var unreachable = regexp.MustCompile(`(?i)could not connect to registry|failed to request discovery document|no such host|connection refused|timeout`)

// Init installs the provider in a folder of the copy: from a mirror on this machine (TF_PLUGINS, or a folder
// /opt/*/registry.terraform.io), or from the registry. Where neither can be reached, the test skips.
func (tf *Terraform) Init(t testing.TB, folder string) {
	t.Helper()
	args := []string{"init", "-input=false", "-no-color"}
	mirror := os.Getenv("TF_PLUGINS")
	if found, _ := filepath.Glob("/opt/*/registry.terraform.io"); mirror == "" && len(found) > 0 {
		mirror = filepath.Dir(found[0])
	}
	if mirror != "" {
		args = append(args, "-plugin-dir="+mirror)
	}
	if out, err := tf.command(t, folder, args...).CombinedOutput(); err != nil {
		if mirror == "" && unreachable.Match(out) {
			testneed.Server(t, "terraform", "needs the provider hashicorp/aws 5.100.0, and the registry cannot be reached")
		}
		t.Fatalf("terraform init: %v\n%s", err, out)
	}
}

func (tf *Terraform) command(t testing.TB, folder string, args ...string) *exec.Cmd {
	// Not the context of the test: it ends before clean-ups, and Terraform should end by itself.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tf.binary, args...)
	cmd.Dir, cmd.Env = filepath.Join(tf.Folder, folder), tf.env
	return cmd
}

// Run runs a command of Terraform in a folder of the copy, and returns what it printed.
func (tf *Terraform) Run(t testing.TB, folder string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := tf.command(t, folder, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("terraform %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.Bytes()
}

// Refused runs a command that must fail, and returns what it printed.
func (tf *Terraform) Refused(t testing.TB, folder string, args ...string) []byte {
	t.Helper()
	out, err := tf.command(t, folder, args...).CombinedOutput()
	if err == nil {
		t.Errorf("terraform %s is not refused:\n%s", strings.Join(args, " "), out)
	}
	return out
}

// A module is a module of the JSON of a plan or a state.
type module struct {
	Resources []struct {
		Type   string
		Values map[string]any
	}
	Children []module `json:"child_modules"`
}

// PlannedOrMade returns the resources of a plan file, or of the state where the file is empty.
func (tf *Terraform) PlannedOrMade(t testing.TB, folder, plan string) []Resource {
	t.Helper()
	args := []string{"show", "-json"}
	if plan != "" {
		args = append(args, plan)
	}
	var shown struct {
		Planned struct {
			Root module `json:"root_module"`
		} `json:"planned_values"`
		Values struct {
			Root module `json:"root_module"`
		}
	}
	if err := json.Unmarshal(tf.Run(t, folder, args...), &shown); err != nil {
		t.Fatal(err)
	}
	var out []Resource
	var add func(m module)
	add = func(m module) {
		for _, r := range m.Resources {
			out = append(out, Resource{Type: r.Type, Properties: r.Values})
		}
		for _, child := range m.Children {
			add(child)
		}
	}
	add(shown.Planned.Root)
	add(shown.Values.Root)
	return out
}

// TerraformPolicies returns the policies of all roles among resources of Terraform.
func TerraformPolicies(t testing.TB, resources []Resource) []Policy {
	t.Helper()
	var out []Policy
	for _, r := range resources {
		switch r.Type {
		case "aws_iam_role_policy":
			if r.Text("policy") == "" {
				t.Errorf("the policy %s is not known before it is applied", r.Text("name"))
				continue
			}
			out = append(out, Policy{r.Text("name"), r.Text("policy")})
		case "aws_iam_role_policy_attachment", "aws_iam_policy":
			t.Errorf("%s: policies of roles are written into them", r.Type)
		}
	}
	return out
}
