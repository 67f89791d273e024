package authcode

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

func query(t testing.TB, raw string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestC8_CallbackShapes(t *testing.T) {
	for _, tt := range []struct {
		raw string
		ok  bool
	}{
		{"code=abc&state=s", true},
		{"code=abc&state=s&iss=https://i&session_state=x&scope=a+b&hd=example.com&prompt=none", true},
		{"error=access_denied&state=s&error_description=no&error_uri=https://x", true},
		{"code=4/0Ab_-x~.!$'()*,:@%26%3b", true},
		{"", false},
		{"state=s", false},
		{"code=", false},
		{"error=", false},
		{"code=a&code=b", false},
		{"code=a&code=a", false},
		{"code=a&state=s&state=s", false},
		{"code=a&iss=https://i&iss=https://i", false},
		{"code=a&other=1&other=2", false},
		{"code=a&error=access_denied", false},
		{"code=a&error=", true}, // an empty parameter counts as left out (RFC 6749 section 3.1)
		{"code=&error=access_denied", true},
		{"code=&error=", false},
		{"code=a%00b", false},
		{"code=a%0d%0ab", false},
		{"code=%7f", false},
		{"code=%c3%a4", false},
		{"code=" + strings.Repeat("x", maxCode), true},
		{"code=" + strings.Repeat("x", maxCode+1), false},
		{"code=a&iss=" + strings.Repeat("x", maxIss+1), false},
	} {
		back, err := readCallback(query(t, tt.raw))
		if (err == nil) != tt.ok {
			t.Errorf("%.60q: %v", tt.raw, err)
			continue
		}
		var e *postern.Error
		if err != nil && (!errors.As(err, &e) || e.Status != 400 || e.Code != "invalid_request") {
			t.Errorf("%.60q: %v", tt.raw, err)
		}
		if err == nil && (back.code == "") == (back.failure == "") {
			t.Errorf("%.60q: %+v", tt.raw, back)
		}
	}
}

func TestC4_Iss(t *testing.T) {
	const i = "https://id.example"
	for _, tt := range []struct {
		raw    string
		server Server
		begun  string
		code   string // of the refusal
	}{
		{"code=a&iss=" + i, Server{Issuer: i}, i, ""},
		{"code=a&iss=" + i, Server{Issuer: i, IssParameter: true}, i, ""},
		{"code=a", Server{Issuer: i}, i, ""},
		{"code=a", Server{Issuer: i, IssParameter: true}, i, "invalid_issuer"},
		{"code=a&iss=", Server{Issuer: i}, i, "invalid_issuer"},
		{"code=a&iss=" + i + "/", Server{Issuer: i}, i, "invalid_issuer"},
		{"code=a&iss=HTTPS://id.example", Server{Issuer: i}, i, "invalid_issuer"},
		{"code=a&iss=https://other.example", Server{Issuer: i}, i, "invalid_issuer"},
		{"code=a&iss=" + i + ".evil.example", Server{Issuer: i}, i, "invalid_issuer"},
		{"error=access_denied&iss=https://other.example", Server{Issuer: i}, i, "invalid_issuer"},
		{"error=access_denied", Server{Issuer: i, IssParameter: true}, i, "invalid_issuer"},
		{"error=access_denied&iss=" + i, Server{Issuer: i}, i, "access_denied"},
		{"code=a&iss=" + i, Server{Issuer: i}, "https://other.example", "invalid_issuer"},
		{"code=a&iss=https://anything.example", Server{}, "", ""}, // a service whose issuer is unknown
	} {
		back, err := readCallback(query(t, tt.raw))
		if err != nil {
			t.Fatal(err)
		}
		err = back.check(tt.server, tt.begun)
		var e *postern.Error
		if tt.code == "" && err != nil || tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code) {
			t.Errorf("%s at %+v: %v, want %q", tt.raw, tt.server, err, tt.code)
		}
	}
}

func TestC8_ProviderErrors(t *testing.T) {
	for failure, want := range map[string]struct {
		status int
		code   string
	}{
		"access_denied":              {403, "access_denied"},
		"user_cancelled_authorize":   {403, "access_denied"},
		"login_required":             {400, "interaction_required"},
		"interaction_required":       {400, "interaction_required"},
		"consent_required":           {400, "interaction_required"},
		"account_selection_required": {400, "interaction_required"},
		"temporarily_unavailable":    {503, "provider_unavailable"},
		"server_error":               {400, "provider_error"},
		"invalid_scope":              {400, "provider_error"},
		"ACCESS_DENIED":              {400, "provider_error"},
		"<script>alert(1)</script>":  {400, "provider_error"},
		"s3cret-canary in an error":  {400, "provider_error"},
		strings.Repeat("x", 100000):  {400, "provider_error"},
	} {
		var e *postern.Error
		if err := denied(failure, ""); !errors.As(err, &e) || e.Status != want.status || e.Code != want.code {
			t.Errorf("%.40q: %v", failure, err)
		}
		for _, bad := range []string{"<", "canary", strings.Repeat("x", 100)} {
			if strings.Contains(e.Error()+e.Text, bad) {
				t.Errorf("%.40q: the error holds it: %.200s", failure, e.Error())
			}
		}
	}
}

func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"code=abc&state=s&iss=https://i", "error=access_denied&error_description=%3Cb%3E", "code=a&code=b", "code=%00", "iss=&code=x",
	} {
		f.Add(seed)
	}
	server := Server{Issuer: "https://i", IssParameter: true}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		back, err := readCallback(q)
		var e *postern.Error
		if err != nil {
			if !errors.As(err, &e) || e.Status != 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		err = back.check(server, server.Issuer)
		if err == nil && (len(q["code"]) != 1 || q.Get("code") != back.code || back.code == "" || q.Has("error") || q.Get("iss") != server.Issuer) {
			t.Fatalf("accepted %q", raw)
		}
		if err != nil && (!errors.As(err, &e) || e.Status < 400 || e.Status == 500 || strings.ContainsAny(e.Error(), "<>\x00\r\n")) {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
