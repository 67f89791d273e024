package fakeidp

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	ghAuthorize = "/login/oauth/authorize"
	ghToken     = "/login/oauth/access_token"
)

// gitHubRequest has no response_type and no nonce, as GitHub wants it.
func gitHubRequest(changes ...string) url.Values {
	return changed(request("response_type", "-", "nonce", "-", "scope", "read:user,user:email"), changes)
}

func TestGitHub(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Users = []User{{
			Subject: "7", GitHubID: 583231, Login: "octocat", Name: "Mona", Email: "mona@example.com", EmailVerified: true,
			MoreEmails: []Email{{Address: "old@example.com"}},
		}}
	})
	answer := b.back(ghAuthorize, gitHubRequest())
	if answer.Has("iss") || answer.Get("state") != "st" {
		t.Errorf("answer %v", answer)
	}
	form := url.Values{"client_id": {"app"}, "client_secret": {"s:e c/r%t"}, "code": {answer.Get("code")}, "code_verifier": {verifier}}
	res, body := b.do("POST", ghToken, form.Encode())
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		t.Fatalf("without Accept the answer is %s: %s", res.Header.Get("Content-Type"), body)
	}
	tokens, err := url.ParseQuery(body)
	if err != nil || tokens.Get("token_type") != "bearer" || tokens.Get("scope") != "read:user,user:email" || !strings.HasPrefix(tokens.Get("access_token"), "gho_") {
		t.Fatalf("%v %v", tokens, err)
	}
	for _, scheme := range []string{"Bearer ", "token "} {
		_, body = b.do("GET", "/api/user", "", "Authorization", scheme+tokens.Get("access_token"))
		if user := b.decode(body); user["id"] != float64(583231) || user["login"] != "octocat" || user["name"] != "Mona" || user["email"] != nil {
			t.Errorf("user %v", user)
		}
	}
	_, body = b.do("GET", "/api/user/emails", "", "Authorization", "Bearer "+tokens.Get("access_token"))
	want := `[{"email":"old@example.com","primary":false,"verified":false,"visibility":null},{"email":"mona@example.com","primary":true,"verified":true,"visibility":"private"}]`
	if strings.TrimSpace(body) != want {
		t.Errorf("emails %s", body)
	}
}

func TestGitHubRefuses(t *testing.T) {
	b := newBench(t, nil)
	for name, test := range map[string]struct{ code, parameter, value string }{
		"other redirect": {"redirect_uri_mismatch", "redirect_uri", "https://evil.example/"},
		"no PKCE":        {"invalid_request", "code_challenge", "-"},
	} {
		if got := b.back(ghAuthorize, gitHubRequest(test.parameter, test.value)); got.Get("error") != test.code || got.Has("code") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := b.back(ghAuthorize, gitHubRequest("redirect_uri", "-")); got.Get("code") == "" {
		t.Errorf("the registered redirect_uri is the default: %v", got)
	}
	for name, test := range map[string]struct {
		code    string
		changes []string
	}{
		"unknown code":   {"bad_verification_code", []string{"code", "x"}},
		"wrong secret":   {"incorrect_client_credentials", []string{"client_secret", "x"}},
		"other redirect": {"redirect_uri_mismatch", []string{"redirect_uri", "https://evil.example/"}},
		"no verifier":    {"bad_verification_code", []string{"code_verifier", "-"}},
	} {
		status, answer := b.exchange(ghToken, b.back(ghAuthorize, gitHubRequest()).Get("code"), test.changes...)
		if status != 200 || answer["error"] != test.code || answer["access_token"] != nil {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	narrow := b.back(ghAuthorize, gitHubRequest("scope", "read:user"))
	_, tokens := b.exchange(ghToken, narrow.Get("code"))
	if status, body := b.userInfo("/api/user/emails", tokens); status != 404 {
		t.Errorf("emails without their scope: %d %s", status, body)
	}
	if status, body := b.userInfo("/api/user", map[string]any{"access_token": "x"}); status != 401 || b.decode(body)["message"] != "Bad credentials" {
		t.Errorf("bad token: %d %s", status, body)
	}
	access := tokens["access_token"].(string)
	if res, _ := b.do("GET", "/api/user", "", "Authorization", "Bearer "+access, "User-Agent", ""); res.StatusCode != 403 {
		t.Errorf("without User-Agent: %d", res.StatusCode)
	}
}

func TestTwitch(t *testing.T) {
	b := newBench(t, nil)
	issuer := b.url + "/oauth2"
	_, body := b.do("GET", "/oauth2/.well-known/openid-configuration", "")
	if m := b.decode(body); m["issuer"] != issuer || m["jwks_uri"] != issuer+"/keys" || m["authorization_response_iss_parameter_supported"] != nil {
		t.Errorf("metadata %v", m)
	}
	q := request("scope", "openid user:read:email", "claims", `{"id_token":{"email":null,"email_verified":null,"preferred_username":null}}`)
	answer := b.back("/oauth2/authorize", q)
	if answer.Has("iss") {
		t.Errorf("answer %v", answer)
	}
	status, tokens := b.exchange("/oauth2/token", answer.Get("code"))
	scopes, _ := tokens["scope"].([]any)
	if status != 200 || tokens["token_type"] != "bearer" || len(scopes) != 2 || tokens["refresh_token"] == nil {
		t.Fatalf("%d %v", status, tokens)
	}
	_, claims, _ := b.open(tokens)
	if claims["iss"] != issuer || claims["email"] != "ada@example.com" || claims["email_verified"] != true || claims["preferred_username"] != "ada" || claims["nonce"] != "no" || claims["picture"] != nil {
		t.Errorf("claims %v", claims)
	}
	status, body = b.userInfo("/oauth2/userinfo", tokens)
	if info := b.decode(body); status != 200 || info["sub"] != "10001" || info["email"] != nil {
		t.Errorf("userinfo has what was not asked for: %d %v", status, info)
	}
	if _, claims, _ := b.open(b.signIn("/oauth2/authorize", "/oauth2/token", "scope", "openid user:read:email")); claims["email"] != nil {
		t.Errorf("without the claims parameter: %v", claims)
	}
	if _, claims, _ := b.open(b.signIn("/oauth2/authorize", "/oauth2/token", "scope", "openid", "claims", q.Get("claims"))); claims["email"] != nil || claims["preferred_username"] == nil {
		t.Errorf("without the scope: %v", claims)
	}
	if got := b.back("/oauth2/authorize", request("claims", "[")); got.Get("error") != "invalid_request" {
		t.Errorf("claims that are not JSON: %v", got)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth("app", url.QueryEscape("s:e c/r%t"))
	res, body := b.do("POST", "/oauth2/token", form.Encode(), "Authorization", r.Header.Get("Authorization"))
	if m := b.decode(body); res.StatusCode != 403 || m["status"] != float64(403) || m["message"] == "" {
		t.Errorf("client_secret_basic: %d %v", res.StatusCode, m)
	}
	if status, m := b.exchange("/oauth2/token", "x"); status != 400 || m["status"] != float64(400) {
		t.Errorf("unknown code: %d %v", status, m)
	}
}

func TestCodesDoNotCrossShapes(t *testing.T) {
	b := newBench(t, nil)
	code := b.back("/authorize", request()).Get("code")
	if status, answer := b.exchange("/oauth2/token", code); status != 400 {
		t.Errorf("an OpenID code at Twitch: %d %v", status, answer)
	}
}

func TestOneOfManyRacersRedeems(t *testing.T) {
	b := newBench(t, nil)
	code := b.back("/authorize", request()).Get("code")
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}, "client_id": {"app"}, "client_secret": {"s:e c/r%t"},
	}.Encode()
	var won atomic.Int32
	var racers sync.WaitGroup
	for range 100 {
		racers.Go(func() {
			res, err := b.client.Post(b.url+"/token", "application/x-www-form-urlencoded", strings.NewReader(form))
			if err != nil {
				t.Error(err)
				return
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			if res.StatusCode == 200 {
				won.Add(1)
			}
		})
	}
	racers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 100 redeemed the code", won.Load())
	}
}
