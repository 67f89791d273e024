package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
)

// onCloud sets the variables of AWS to a stand-in and returns KMS.
func onCloud(t *testing.T) *kms.Client {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": testserver.Moto(t).URL(), "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_EC2_METADATA_DISABLED": "true", "POSTERN_VAULT_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "POSTERN_VAULT": "", "POSTERN_SEAL": "",
	} {
		t.Setenv(name, value)
	}
	loaded, err := loadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kms.NewFromConfig(loaded)
}

// denied puts a stand-in in front of that of AWS, which denies kms:Sign for a key, as a role without the right does.
func denied(t *testing.T, arn string) {
	t.Helper()
	where, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	next := httputil.NewSingleHostReverseProxy(where)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Header.Get("X-Amz-Target") == "TrentService.Sign" && bytes.Contains(body, []byte(arn)) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"not authorized to perform kms:Sign"}`)
			return
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
}

// pemOf returns the public key of a new key in PEM, by the command that docs/keys.md has: what stands behind
// aws kms get-public-key there runs as it is.
func pemOf(t *testing.T, api *kms.Client, spec types.KeySpec) (arn, public string) {
	t.Helper()
	testneed.Binary(t, "openssl", "Debian package openssl")
	made, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	out, err := api.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: made.KeyMetadata.Arn})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	const first = "aws kms get-public-key --key-id \"$ARN\" --query PublicKey --output text |"
	_, rest, ok := strings.Cut(string(doc), first)
	line, _, end := strings.Cut(rest, "> signer.pem\n")
	if !ok || !end {
		t.Fatal("docs/keys.md has no such command")
	}
	sh := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "\\\n", " "))
	sh.Stdin = strings.NewReader(base64.StdEncoding.EncodeToString(out.PublicKey) + "\n")
	text, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	return *made.KeyMetadata.Arn, string(text)
}

// TestE4_KeysStatusSigners: keys status with a configuration has the keys of KMS, says which one signs and what comes
// next, and has exit status 1 if KMS has another key than the configuration, or one that signs or will cannot. It needs
// no secret but that of the keys, and no variable names another vault.
func TestE4_KeysStatusSigners(t *testing.T) {
	api, folder := onCloud(t), t.TempDir()
	one, onePEM := pemOf(t, api, types.KeySpecRsa2048)
	two, twoPEM := pemOf(t, api, types.KeySpecEccNistP256)
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("one.pem", onePEM)
	file("two.pem", twoPEM)
	n := 0
	config := func(signers string) string {
		n++
		return file(fmt.Sprintf("%d.toml", n), "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"sqlite:postern.db\"\n"+
			"[keys]\nvault = \"file:ring\"\nseal = \"secret:POSTERN_VAULT_KEY\"\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:NOT_SET\"\n"+signers)
	}
	entry := func(arn, public string, after time.Duration) string {
		text := fmt.Sprintf("[[keys.signers]]\nkey = \"kms:%s\"\npublic_key = %q\n", arn, public)
		if after != 0 {
			text += "from = " + noon.Add(after).Format(time.RFC3339) + "\n"
		}
		return text
	}
	both := config(entry(two, "two.pem", 5*time.Hour) + entry(one, "one.pem", 0))
	if out, errs, status := call(t, "", "config", "check", both); status != 0 {
		t.Errorf("config check: %s%s", out, errs)
	}
	if out, errs, status := call(t, "", "keys", "status", "--config", both); status != 1 || !strings.Contains(errs, "no keys yet") {
		t.Errorf("without a ring: %d %s%s", status, out, errs)
	}
	for range 2 {
		if _, errs, status := call(t, "", "keys", "rotate", "--vault", "file:"+filepath.Join(folder, "ring"), "--alg", "ES256"); status != 0 {
			t.Fatal(errs)
		}
	}
	status := func(config string) (s keyStatus) {
		t.Helper()
		out, errs, status := call(t, "", "keys", "status", "--json", "--config", config)
		if err := json.Unmarshal([]byte(out), &s); status != 0 || err != nil {
			t.Fatalf("%d %v %s%s", status, err, out, errs)
		}
		return s
	}
	s := status(both)
	if len(s.Signers) != 2 || s.Signers[0].ARN != one || s.Signers[0].State != keys.StateSigning || s.Signers[0].Algorithm != keys.RS256 ||
		s.Signers[1].ARN != two || s.Signers[1].State != keys.StatePending || s.Signers[1].Algorithm != keys.ES256 || len(s.Changes) != 0 {
		t.Errorf("%+v", s)
	}
	out, errs, code := call(t, "", "keys", "status", "--config", both)
	if code != 0 || !strings.Contains(out, "Signing key:  "+s.Signers[0].Key+", RS256 in KMS: "+one) || !strings.Contains(out, "Next:         "+s.Signers[1].Key) ||
		strings.Contains(out, s.Signing) {
		t.Errorf("%d %s%s", code, out, errs)
	}
	s = status(config(entry(one, "one.pem", 0) + entry(two, "two.pem", -time.Hour)))
	if s.Signers[0].State != keys.StatePassive || s.Signers[1].State != keys.StateSigning {
		t.Errorf("%+v", s.Signers)
	}
	later := config(entry(one, "one.pem", 4*time.Hour))
	if s = status(later); s.Signers[0].State != keys.StatePending || len(s.Changes) != 1 || s.Changes[0].Key != s.Newest {
		t.Errorf("the ring signs for four hours: %+v", s)
	}
	if out, _, _ := call(t, "", "keys", "status", "--config", later); !strings.Contains(out, "Signing key:  "+s.Signing) {
		t.Error(out)
	}
	t.Setenv("POSTERN_VAULT", "file:"+filepath.Join(folder, "another"))
	t.Setenv("POSTERN_SEAL", "kms:"+one)
	if out, errs, code := call(t, "", "keys", "status", "--config", both); code != 0 {
		t.Errorf("with POSTERN_VAULT: %d %s%s", code, out, errs)
	}
	for name, c := range map[string]struct {
		args []string
		want string
		code int
	}{
		"another public key": {[]string{"--config", config(entry(one, "two.pem", 0))}, "and not for ES256", 1},
		"a key that is not":  {[]string{"--config", config(entry(one[:len(one)-4]+"0000", "one.pem", 0))}, "NotFound", 1},
		"an alias":           {[]string{"--config", file("alias.toml", strings.Replace(entry("alias/x", "one.pem", 0), "[[", "issuer = \"http://localhost:8080/auth\"\n[[", 1))}, "alias", 1},
		"a vault as well":    {[]string{"--config", both, "--vault", "file:ring"}, "leave out --vault", statusUsage},
		"no file":            {[]string{"--config", filepath.Join(folder, "none")}, "no such file", 1},
	} {
		out, errs, code := call(t, "", append([]string{"keys", "status"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s%s", name, code, out, errs)
		}
	}
	denied(t, two)
	for name, c := range map[string]struct {
		signers string
		code    int
	}{
		"of the one that signs": {entry(two, "two.pem", 0), 1},
		"of one that will":      {entry(one, "one.pem", 0) + entry(two, "two.pem", 5*time.Hour), 1},
		"of one that did":       {entry(two, "two.pem", 0) + entry(one, "one.pem", -time.Hour), 0},
	} {
		out, errs, code := call(t, "", "keys", "status", "--config", config(c.signers))
		if code != c.code || (code == 1) != (strings.Contains(errs, two) && strings.Contains(errs, "kms:Sign")) {
			t.Errorf("kms:Sign is denied %s: %d %s%s", name, code, out, errs)
		}
	}
}
