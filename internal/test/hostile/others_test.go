package hostile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestCorpus_Trust shows the corpus to a guard for tokens of another issuer, which does not know what Postern's access
// tokens hold besides, and passes over claims that only describe.
func TestCorpus_Trust(t *testing.T) {
	c := load(t)
	guards := map[string]*session.External[struct{}]{}
	for name, set := range static(t, c) {
		g, err := session.NewExternal[struct{}](session.ExternalConfig{
			Issuer: c.Issuer, Audience: c.Audience, Type: c.Type, Keys: set, Leeway: leeway, Now: func() time.Time { return c.Time },
			Algorithms: []keys.Algorithm{keys.RS256, keys.PS256, keys.ES256, keys.ES384, keys.ES512, keys.EdDSA, keys.HS256},
		})
		if err != nil {
			t.Fatal(err)
		}
		guards[name] = g
	}
	shown := 0
	for _, one := range c.Cases {
		describes := one.Group == "profile" && one.Layer == Claims && !strings.Contains(one.Name, "sub")
		null := one.Name == "iat null" || one.Name == "nbf null" // absent in tokens of others
		if one.Layer == Profile && !one.Accept || describes || null {
			continue
		}
		shown++
		if _, err := guards[one.Keys].Verify(t.Context(), one.Text()); (err == nil) != one.Accept {
			t.Errorf("%s: %s: %v", one.Group, one.Name, err)
		}
	}
	if shown < 900 {
		t.Errorf("only %d tokens were shown", shown)
	}
}

// TestCorpus_Command shows the corpus to `postern token verify -`, as a process.
func TestCorpus_Command(t *testing.T) {
	c := load(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "postern.exe")
	if out, err := exec.Command("go", "build", "-o", binary, "../../../cmd/postern").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	life, err := time.ParseDuration(c.Access)
	if err != nil {
		t.Fatal(err)
	}
	for set, jwks := range c.JWKS {
		var input bytes.Buffer
		var shown []Case
		for _, one := range c.Cases {
			if one.Keys == set && (one.Layer != Profile || one.Accept) {
				line, err := json.Marshal(one.Text()) // bytes that are no text become U+FFFD, which is none either
				if err != nil {
					t.Fatal(err)
				}
				input.Write(append(line, '\n'))
				shown = append(shown, one)
			}
		}
		file := filepath.Join(dir, set+".json")
		if err := os.WriteFile(file, jwks, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary, "token", "verify", "-", "--jwks", file, "--issuer", c.Issuer, "--audience", c.Audience,
			"--typ", c.Type, "--leeway", c.Leeway, "--max-lifetime", (life + 31*time.Second).String(), "--at", c.Time.Format(time.RFC3339))
		cmd.Stdin = &input
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 { // 1: not all are valid
			t.Fatalf("%v: %s", err, stderr.String())
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<20)
		for _, one := range shown {
			var verdict struct {
				Valid  bool
				Reason string
				Claims map[string]any
			}
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &verdict) != nil {
				t.Fatalf("%s: %s: no answer: %q", one.Group, one.Name, lines.Text())
			}
			if verdict.Valid != one.Accept || verdict.Valid != (verdict.Reason == "") || verdict.Valid != (verdict.Claims != nil) {
				t.Errorf("%s: %s: %s", one.Group, one.Name, lines.Text())
			}
		}
		if lines.Scan() {
			t.Errorf("one answer too many: %s", lines.Text())
		}
	}
}
