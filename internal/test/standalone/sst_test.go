package standalone

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServe_SST: the commands of a migration from SST Auth, and the server that accepts its tokens until the day of the
// configuration, which a reload moves, or until the key is revoked.
func TestServe_SST(t *testing.T) {
	db := "sqlite:" + filepath.Join(t.TempDir(), "postern.db")
	table := func(until time.Time) string {
		return "\n[forward_auth.sst]\nenabled = true\ntypes = [\"user\"]\nsubject = \"properties.userID\"\nuntil = " + until.UTC().Format(time.RFC3339) + "\n"
	}
	s := newSite(t, db, table(time.Now().Add(time.Hour)))
	server := s.start()

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := write("sst.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	people := write("people.ndjson", []byte(`{"id":"u-ada","name":"Ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}]}`+"\n"))
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program(t), args...)
		cmd.Env = s.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	ask := func(claims string) (int, http.Header) {
		t.Helper()
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(`{"alg":"RS512","typ":"JWT"}`)) + "." + encode([]byte(claims))
		sum := sha512.Sum512([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/auth/verify", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + input + "." + encode(signature)}, "X-Original-Method": {"GET"}, "X-Original-Uri": {"/wiki"}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header
	}
	claims := fmt.Sprintf(`{"type":"user","properties":{"userID":"u-ada"},"iat":%d,"exp":%d}`, time.Now().Unix(), time.Now().Add(time.Hour).Unix())
	want := func(when string, want int) {
		t.Helper()
		if status, h := ask(claims); status != want || want == 200 && h.Get("X-Auth-Subject") != "u-ada" {
			t.Fatalf("%s: %d %v, want %d", when, status, h, want)
		}
	}

	reload := func(says string) {
		t.Helper()
		before := strings.Count(server.log.String(), says)
		s.reload(server, "the configuration was reloaded")
		if strings.Count(server.log.String(), says) == before {
			t.Fatalf("a reload does not say %q:\n%s", says, tail(server.log.String()))
		}
	}

	want("before the import", 401)
	out := run("keys", "import", pair, "--vault", db, "--until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	kid := strings.Fields(out)[1]
	reload("tokens of SST Auth are accepted") // at once; a running server reads its keys every five minutes
	want("before the user is there", 401)
	run("users", "import", "--from", "postern", "--store", db, "--issuer", s.url+"/auth", people)
	want("after the imports", 200)

	s.write(table(time.Now().Add(-time.Second)))
	reload("the migration has ended")
	want("after until", 401)
	s.write("")
	reload("the configuration was reloaded")
	want("without the table", 401)
	s.write(table(time.Now().Add(time.Hour)))
	reload("tokens of SST Auth are accepted")
	want("with the table again", 200)

	run("keys", "revoke", "--vault", db, kid)
	reload("one imported key for RS512 is needed")
	want("after the key was revoked", 401)
}
