package fakeidp

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
)

const callback = "https://app.example.com/callback?keep=1"

var verifier = strings.Repeat("v", 43)

// A bench is a provider on a real server, and a client that does not follow redirects.
type bench struct {
	*testing.T
	idp    *IdP
	url    string
	clock  *testclock.Clock
	client *http.Client
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	b := &bench{T: t, url: "http://" + server.Listener.Addr().String() + "/idp", clock: testclock.New(time.Unix(1_800_000_000, 0))}
	c := Config{
		Issuer: b.url, Algorithm: "ES256", Auto: true, Now: b.clock.Now,
		Clients: []Client{{ID: "app", Secret: "s:e c/r%t", RedirectURIs: []string{callback}}, {ID: "other", Secret: "x", RedirectURIs: []string{callback}}, {ID: "public", RedirectURIs: []string{callback}}},
	}
	if change != nil {
		change(&c)
	}
	idp, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.idp = idp
	server.Config.Handler = idp
	server.Start()
	t.Cleanup(server.Close)
	b.client = server.Client()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return b64.EncodeToString(sum[:])
}

// request is a good authentication request with changes: pairs of name and value, "-" takes a parameter away.
func request(changes ...string) url.Values {
	q := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile"}, "state": {"st"},
		"nonce": {"no"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	return changed(q, changes)
}

func changed(q url.Values, changes []string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "-" {
			q.Del(changes[i])
		}
	}
	return q
}

func (b *bench) do(method, path, body string, header ...string) (*http.Response, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res, string(text)
}

// back is the answer at the redirect URI.
func (b *bench) back(path string, q url.Values) url.Values {
	b.Helper()
	res, body := b.do("GET", path+"?"+q.Encode(), "")
	if res.StatusCode != http.StatusSeeOther {
		b.Fatalf("authorize: status %d, want 303: %s", res.StatusCode, body)
	}
	return b.answer(res)
}

func (b *bench) answer(res *http.Response) url.Values {
	b.Helper()
	to, err := res.Location()
	if err != nil {
		b.Fatal(err)
	}
	if !strings.HasPrefix(to.String(), callback+"&") {
		b.Fatalf("redirected to %s", to)
	}
	return to.Query()
}

// exchange is a good token request with changes.
func (b *bench) exchange(path, code string, changes ...string) (int, map[string]any) {
	b.Helper()
	form := changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		"client_id": {"app"}, "client_secret": {"s:e c/r%t"},
	}, changes)
	res, body := b.do("POST", path, form.Encode(), "Accept", "application/json")
	return res.StatusCode, b.decode(body)
}

func (b *bench) decode(body string) map[string]any {
	b.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		b.Fatalf("not JSON: %v: %s", err, body)
	}
	return m
}

// signIn goes the whole way and returns the token answer.
func (b *bench) signIn(path, tokenPath string, changes ...string) map[string]any {
	b.Helper()
	status, tokens := b.exchange(tokenPath, b.back(path, request(changes...)).Get("code"))
	if status != http.StatusOK {
		b.Fatalf("token: status %d: %v", status, tokens)
	}
	return tokens
}

// open reads an ID token without checking it.
func (b *bench) open(tokens map[string]any) (header, claims map[string]any, signature []byte) {
	b.Helper()
	token, _ := tokens["id_token"].(string)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		b.Fatalf("id_token is not a compact JWS: %v", tokens)
	}
	read := func(part string) []byte {
		raw, err := b64.DecodeString(part)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	return b.decode(string(read(parts[0]))), b.decode(string(read(parts[1]))), read(parts[2])
}

// userInfo asks with the access token of a token answer.
func (b *bench) userInfo(path string, tokens map[string]any) (int, string) {
	b.Helper()
	access, _ := tokens["access_token"].(string)
	res, body := b.do("GET", path, "", "Authorization", "Bearer "+access)
	return res.StatusCode, body
}
