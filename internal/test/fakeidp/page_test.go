package fakeidp

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/pagestyle"
)

func manual(c *Config) { c.Auto = false }

func TestLoginPage(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Auto = false
		c.Users = []User{{Subject: `"><script>`, Name: `<img src=x>`, Email: "a&b@example.com"}, {Subject: "2"}}
	})
	path := "/authorize?" + request("login_hint", `"><b>@x`, "state", `"><i>`).Encode()
	res, body := b.do("GET", path, "")
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	for _, raw := range []string{"<script>", "<img", "<b>", "<i>"} {
		if strings.Contains(body, raw) {
			t.Errorf("the page holds %s", raw)
		}
	}
	if !strings.Contains(body, `<form method="post" action="`+html.EscapeString("/idp"+path)+`">`) {
		t.Errorf("the form does not answer to the same URL: %s", body)
	}

	res, _ = b.do("POST", path, url.Values{"user": {`"><script>`}}.Encode())
	if res.StatusCode != http.StatusSeeOther || b.answer(res).Get("code") == "" {
		t.Errorf("choice: %d", res.StatusCode)
	}
	res, _ = b.do("POST", path, "deny=1")
	if got := b.answer(res); got.Get("error") != "access_denied" || got.Get("state") != `"><i>` {
		t.Errorf("refusal: %v", got)
	}
	for _, form := range []string{"", "user=nobody", "email=nonsense", "email=%40x", "email=x%40", "email=" + strings.Repeat("a", 255) + "%40x"} {
		if res, body := b.do("POST", path, form); res.StatusCode != 200 || !strings.Contains(body, "Who are you?") {
			t.Errorf("%.30s: status %d", form, res.StatusCode)
		}
	}
	if res, _ := b.do("POST", path, "user=2", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("form from another site: %d", res.StatusCode)
	}
}

func TestTypedUserIsTheSameEveryTime(t *testing.T) {
	b := newBench(t, manual)
	seen := map[any]bool{}
	for _, email := range []string{"grace@example.com", "Grace@Example.com", " grace@example.com "} {
		res, _ := b.do("POST", "/authorize?"+request().Encode(), url.Values{"email": {email}}.Encode())
		_, tokens := b.exchange("/token", b.answer(res).Get("code"))
		_, claims, _ := b.open(tokens)
		if claims["email_verified"] != true || !strings.EqualFold(claims["name"].(string), "grace") {
			t.Errorf("claims %v", claims)
		}
		seen[claims["sub"]] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d subjects for one address", len(seen))
	}
}

func TestPromptNoneAndMaxAge(t *testing.T) {
	b := newBench(t, manual)
	silent := request("prompt", "none")
	if got := b.back("/authorize", silent); got.Get("error") != "login_required" {
		t.Errorf("nobody signed in: %v", got)
	}
	res, _ := b.do("POST", "/authorize?"+request().Encode(), "user=10002")
	cookie := strings.Split(res.Header.Get("Set-Cookie"), ";")[0]
	if !strings.Contains(res.Header.Get("Set-Cookie"), "HttpOnly") || cookie == "" {
		t.Fatalf("cookie %q", res.Header.Get("Set-Cookie"))
	}
	signedIn := b.clock.Now()
	b.clock.Advance(time.Minute)
	again := func(q url.Values) url.Values {
		res, _ := b.do("GET", "/authorize?"+q.Encode(), "", "Cookie", cookie)
		return b.answer(res)
	}
	_, tokens := b.exchange("/token", again(silent).Get("code"))
	if _, claims, _ := b.open(tokens); claims["sub"] != "10002" || claims["auth_time"] != float64(signedIn.Unix()) {
		t.Errorf("claims %v", claims)
	}
	if got := again(request("prompt", "none", "max_age", "60")); !got.Has("code") {
		t.Errorf("max_age not reached: %v", got)
	}
	if got := again(request("prompt", "none", "max_age", "59")); got.Get("error") != "login_required" {
		t.Errorf("max_age passed: %v", got)
	}
	if res, body := b.do("GET", "/authorize?"+request("prompt", "login").Encode(), "", "Cookie", cookie); res.StatusCode != 200 || !strings.Contains(body, "Who are you?") {
		t.Errorf("prompt=login: %d", res.StatusCode)
	}
	b.clock.Advance(loginLife)
	if got := again(silent); got.Get("error") != "login_required" {
		t.Errorf("a day later: %v", got)
	}
}

func TestFormPost(t *testing.T) {
	b := newBench(t, nil)
	res, body := b.do("GET", "/authorize?"+request("response_mode", "form_post", "state", `a"<b>`).Encode(), "")
	if res.StatusCode != 200 || res.Header.Get("Location") != "" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	for _, want := range []string{
		`<form method="post" action="` + html.EscapeString(callback) + `">`, `name="state" value="a&#34;&lt;b&gt;"`, `name="code" value="`, `name="iss" value="`, `<noscript><button>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src "+pagestyle.Source(submitScript)) {
		t.Errorf("policy %q forbids the script", policy)
	}
}

func TestUnknownPath(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"", "//", "/authorise", "/idp/authorize", "/oauth2"} {
		if res, _ := b.do("GET", path, ""); res.StatusCode != 404 {
			t.Errorf("%q: status %d", path, res.StatusCode)
		}
	}
}

// TestPage_WearsTheDressOfThePages: the page has the style sheet of package postern, and uses no colour that it lacks.
func TestPage_WearsTheDressOfThePages(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Auto, c.Name = false, "Google & Sons" })
	_, body := b.do("GET", "/authorize?"+request().Encode(), "")
	if !strings.Contains(body, pagestyle.CSS) || !strings.Contains(body, "stands in for Google &amp; Sons on this machine") {
		t.Errorf("page: %s", body)
	}
	_, style, _ := strings.Cut(body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	colours := regexp.MustCompile(`var\((--[a-z-]+)\)`).FindAllStringSubmatch(style, -1)
	if len(colours) < 10 {
		t.Fatalf("only %d colours are used: the pattern is wrong", len(colours))
	}
	for _, m := range colours {
		if !strings.Contains(pagestyle.CSS, m[1]+":") {
			t.Errorf("the style uses %s, which is not defined", m[1])
		}
	}
}

// TestGitHub_EnterpriseAPI: oauth.GitHub finds the API of a server that is not github.com below /api/v3.
func TestGitHub_EnterpriseAPI(t *testing.T) {
	b := newBench(t, nil)
	code := b.back("/login/oauth/authorize", request("scope", "user:email")).Get("code")
	_, tokens := b.exchange("/login/oauth/access_token", code)
	for path, want := range map[string]string{"/api/v3/user": `"login":"ada"`, "/api/v3/user/emails": `"email":"ada@example.com"`} {
		if res, body := b.do("GET", path, "", "Authorization", "Bearer "+tokens["access_token"].(string), "User-Agent", "test"); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}
