package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

func TestNew_Refuses(t *testing.T) {
	verify := must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)
	good := session.Config{Issuer: issuer, Audience: audience, Keys: verify}
	if _, err := session.New(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*session.Config)
		want   string
	}{
		"no issuer":            {func(c *session.Config) { c.Issuer = "" }, "Issuer"},
		"relative issuer":      {func(c *session.Config) { c.Issuer = "/auth" }, "https://"},
		"no host":              {func(c *session.Config) { c.Issuer = "https:///auth" }, "host"},
		"plain http":           {func(c *session.Config) { c.Issuer = "http://api.example.com/auth" }, "localhost"},
		"http look-alike":      {func(c *session.Config) { c.Issuer = "http://localhost.example.com" }, "localhost"},
		"slash at the end":     {func(c *session.Config) { c.Issuer += "/" }, "slash"},
		"query":                {func(c *session.Config) { c.Issuer += "?a=b" }, "query"},
		"empty query":          {func(c *session.Config) { c.Issuer += "?" }, "query"},
		"fragment":             {func(c *session.Config) { c.Issuer += "#" }, "fragment"},
		"user":                 {func(c *session.Config) { c.Issuer = "https://a@api.example.com" }, "user"},
		"upper case host":      {func(c *session.Config) { c.Issuer = "https://API.example.com" }, "lower case"},
		"default port":         {func(c *session.Config) { c.Issuer = "https://api.example.com:443" }, "port"},
		"escapes":              {func(c *session.Config) { c.Issuer += "/a%2fb" }, "plain"},
		"dots":                 {func(c *session.Config) { c.Issuer += "/../x" }, "plain"},
		"space":                {func(c *session.Config) { c.Issuer += "/a b" }, "URL"},
		"other scheme":         {func(c *session.Config) { c.Issuer = "ftp://api.example.com" }, "https://"},
		"no audience":          {func(c *session.Config) { c.Audience = "" }, "Audience"},
		"audience of controls": {func(c *session.Config) { c.Audience = "a\nb" }, "control"},
		"bad client":           {func(c *session.Config) { c.ClientID = "\xff" }, "UTF-8"},
		"no keys":              {func(c *session.Config) { c.Keys = nil }, "Keys"},
		"leeway":               {func(c *session.Config) { c.Leeway = time.Minute + 1 }, "Leeway"},
		"origin with path":     {func(c *session.Config) { c.Origins = []string{"https://app.example.com/"} }, "Origins"},
		"wildcard origin":      {func(c *session.Config) { c.Origins = []string{"https://*.example.com"} }, "Origins"},
		"null origin":          {func(c *session.Config) { c.Origins = []string{"null"} }, "Origins"},
		"http origin":          {func(c *session.Config) { c.Origins = []string{"http://app.example.com"} }, "Origins"},
		"origin's usual port":  {func(c *session.Config) { c.Origins = []string{"https://app.example.com:443"} }, "Origins"},
		"origin in upper case": {func(c *session.Config) { c.Origins = []string{"https://App.example.com"} }, "Origins"},
		"site of others":       {func(c *session.Config) { c.Site = "example.net" }, "Config.Site"},
		"site of a label":      {func(c *session.Config) { c.Site = "com" }, "Config.Site"},
		"site with a dot":      {func(c *session.Config) { c.Site = ".example.com" }, "Config.Site"},
		"site as an origin":    {func(c *session.Config) { c.Site = "https://example.com" }, "Config.Site"},
		"site in upper case":   {func(c *session.Config) { c.Site = "Example.com" }, "Config.Site"},
		"part of the host":     {func(c *session.Config) { c.Site = "ple.com" }, "Config.Site"},
		"two names of this machine": {func(c *session.Config) {
			c.Issuer, c.Origins = "http://localhost:8420/auth", []string{"http://127.0.0.1:3000"}
		}, "such as \"http://localhost:3000\""},
		"two names, the other way": {func(c *session.Config) {
			c.Issuer, c.Origins = "http://127.0.0.1:8420/auth", []string{"http://localhost:3000"}
		}, "such as \"http://127.0.0.1:3000\""},
		"two addresses of this machine": {func(c *session.Config) {
			c.Issuer, c.Origins = "http://[::1]:8420/auth", []string{"http://127.0.0.1:3000"}
		}, "such as \"http://[::1]:3000\""},
		"two schemes of this machine": {func(c *session.Config) {
			c.Issuer, c.Origins = "http://localhost:8420/auth", []string{"https://localhost:3000"}
		}, "such as \"http://localhost:3000\""},
		"empty origin": {func(c *session.Config) { c.Origins = []string{""} }, "Origins"},
		"star":         {func(c *session.Config) { c.Origins = []string{"*"} }, "Origins"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := session.New(config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one that speaks of %q", err, c.want)
			}
		})
	}
}

func TestNew_Accepts(t *testing.T) {
	verify := must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)
	for _, issuer := range []string{
		"https://example.com", "https://example.com:8443/a/b", "http://localhost:8420/auth", "http://127.0.0.1", "http://[::1]:8080", "http://127.0.0.2:8080",
	} {
		s, err := session.New(session.Config{Issuer: issuer, Audience: audience, Keys: verify})
		if err != nil {
			t.Errorf("%s: %v", issuer, err)
			continue
		}
		if s.Issuer() != issuer || s.Store() != nil || s.Secrets() != nil {
			t.Errorf("%s: %q %v %v", issuer, s.Issuer(), s.Store(), s.Secrets())
		}
	}
}

func TestNewKind_PanicsSayWhatToChange(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		config session.KindConfig[User]
		want   string
	}{
		"empty":        {session.KindConfig[User]{}, "lower-case letter"},
		"upper case":   {session.KindConfig[User]{Name: "User"}, "lower-case letter"},
		"digit first":  {session.KindConfig[User]{Name: "1user"}, "lower-case letter"},
		"too long":     {session.KindConfig[User]{Name: strings.Repeat("a", 33)}, "lower-case letter"},
		"public":       {session.KindConfig[User]{Name: "public"}, "public"},
		"twice":        {session.KindConfig[User]{Name: "user"}, "already"},
		"short":        {session.KindConfig[User]{Name: "a", Access: time.Millisecond}, "Access"},
		"negative":     {session.KindConfig[User]{Name: "a", Access: -time.Hour}, "Access"},
		"for ever":     {session.KindConfig[User]{Name: "a", Access: 401 * 24 * time.Hour}, "Access"},
		"fraction":     {session.KindConfig[User]{Name: "a", Access: 1500 * time.Millisecond}, "Access"},
		"cookie":       {session.KindConfig[User]{Name: "a", CookieName: "a;b"}, "cookie name"},
		"taken cookie": {session.KindConfig[User]{Name: "a", CookieName: w.cookieName()}, "same cookie"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, c.want) {
					t.Errorf("panic = %q, want one that speaks of %q", text, c.want)
				}
			}()
			session.NewKindConfig(w.sessions, c.config)
		})
	}
	session.NewKind[User](w.sessions, "a"+strings.Repeat("-_0", 10)) // the longest there is, 31
}
