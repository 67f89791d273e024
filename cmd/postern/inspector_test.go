package main

import (
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// TestInspector_SaysWhatIsWrong: each check is made by itself, and each mistake has its words.
func TestInspector_SaysWhatIsWrong(t *testing.T) {
	d := newDemoSite(t)
	c := d.signIn("ada@example.com")
	token := d.tokenOf(c)
	parts := strings.Split(token, ".")

	foreign := posterntest.Sessions(t, session.Config{Issuer: "https://other.example/auth", Audience: "shop"})
	kind := session.NewKind[person](foreign, "user")
	other := posterntest.Token(t, kind, session.Grant[person]{Subject: "u1"})

	for name, tc := range map[string]struct {
		token string
		want  []string
	}{
		"valid":       {token, []string{"This token is valid", `class="yes"`, "For the service demo.", "Issued by this server.", "expires in 5 minutes"}},
		"as a header": {"  Bearer " + token + "\n", []string{"This token is valid"}},
		"signature":   {parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), []string{"This token is not valid.", "The signature does not fit the token and the key.", `class="no"`, "Nobody should believe it."}},
		"other": {other, []string{"This token is not valid.", "No key of this server has the kid ", "The claim iss is https://other.example/auth, and this server is " + d.url + "/auth.",
			"The claim aud is shop, and the service here is demo.", "u1"}},
		"none":      {"eyJhbGciOiJub25lIn0.e30.", []string{"This token is not valid."}},
		"cut off":   {parts[0] + "." + parts[1], []string{"has 2 parts", "Was it cut off while copying?"}},
		"encrypted": {"a.b.c.d.e", []string{"an encrypted token"}},
		"text":      {"!.!.!", []string{"The header is not base64url."}},
		"markup":    {`<script>alert(1)</script>`, []string{"has 1 part.", "&lt;script&gt;"}},
		"nothing":   {"", []string{"There is no token."}},
	} {
		status, body := page(t, c, "POST", d.url+"/token", url.Values{"token": {tc.token}})
		if status != 200 || strings.Contains(body, "<script") {
			t.Errorf("%s: %d\n%s", name, status, body)
		}
		for _, want := range tc.want {
			if !strings.Contains(body, want) && !strings.Contains(html.UnescapeString(body), want) {
				t.Errorf("%s: no %q:\n%s", name, want, body)
			}
		}
	}

	d.ahead.Add(int64(6 * time.Minute))
	if _, body := page(t, c, "POST", d.url+"/token", url.Values{"token": {token}}); !strings.Contains(body, "This token is not valid. The token expired ") {
		t.Errorf("expired:\n%s", body)
	}
	// No longer than it must be: a server that refuses a body closes the connection, and a client that still sends may
	// lose the answer.
	if status, body := page(t, c, "POST", d.url+"/token", url.Values{"token": {strings.Repeat("x", 4*jose.MaxToken)}}); status != 400 {
		t.Errorf("too long: %d %s", status, body)
	}
	if status, body := page(t, browser(t), "GET", d.url+"/token", nil); status != 200 || strings.Contains(body, "Take the token of my session") {
		t.Errorf("signed out: %d\n%s", status, body)
	}
}
