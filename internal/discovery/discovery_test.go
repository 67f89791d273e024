package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/internal/fetch"
)

const issuer = "https://id.example.com"

func document(changes ...string) string {
	doc := `{"issuer":"https://id.example.com","authorization_endpoint":"https://id.example.com/a","token_endpoint":"https://id.example.com/t",` +
		`"jwks_uri":"https://keys.example.com/k","userinfo_endpoint":"https://id.example.com/u","scopes_supported":["openid"],"nested":{"a":[1]}}`
	return strings.NewReplacer(changes...).Replace(doc)
}

func TestParse(t *testing.T) {
	m, err := Parse(document(`"nested":{"a":[1]}`, `"authorization_response_iss_parameter_supported":true,"token_endpoint_auth_methods_supported":["client_secret_post","none"]`), issuer, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	want := Metadata{Issuer: issuer, AuthURL: issuer + "/a", TokenURL: issuer + "/t", UserInfo: issuer + "/u", JWKS: "https://keys.example.com/k", IssParameter: true, AuthMethods: []string{"client_secret_post", "none"}}
	if fmt.Sprint(*m) != fmt.Sprint(want) {
		t.Errorf("got %+v", *m)
	}
	if m, err = Parse(document(`"userinfo_endpoint":"https://id.example.com/u"`, `"userinfo_endpoint":null`), issuer, nil, false); err != nil || m.UserInfo != "" {
		t.Errorf("without UserInfo: %+v, %v", m, err)
	}
}

func TestC5_IssuerAndEndpoints(t *testing.T) {
	for name, changes := range map[string][]string{
		"other issuer":          {`"issuer":"https://id.example.com"`, `"issuer":"https://evil.example.com"`},
		"issuer with slash":     {`"issuer":"https://id.example.com"`, `"issuer":"https://id.example.com/"`},
		"issuer in other case":  {`"issuer":"https://id.example.com"`, `"issuer":"https://ID.example.com"`},
		"issuer with port":      {`"issuer":"https://id.example.com"`, `"issuer":"https://id.example.com:443"`},
		"issuer with prefix":    {`"issuer":"https://id.example.com"`, `"issuer":"https://id.example.com.evil.example"`},
		"issuer by http":        {`"issuer":"https://id.example.com"`, `"issuer":"http://id.example.com"`},
		"no issuer":             {`"issuer":"https://id.example.com",`, ``},
		"issuer null":           {`"issuer":"https://id.example.com"`, `"issuer":null`},
		"issuer list":           {`"issuer":"https://id.example.com"`, `"issuer":["https://id.example.com"]`},
		"issuer twice":          {`"nested"`, `"issuer":"https://evil.example.com","nested"`},
		"issuer twice, escaped": {`"nested"`, `"\u0069ssuer":"https://evil.example.com","nested"`},
		"issuer in capitals":    {`"issuer"`, `"ISSUER"`},
		"authorize by http":     {`https://id.example.com/a`, `http://id.example.com/a`},
		"authorize javascript":  {`https://id.example.com/a`, `javascript:alert(1)`},
		"authorize relative":    {`https://id.example.com/a`, `/a`},
		"authorize fragment":    {`https://id.example.com/a`, `https://id.example.com/a#x`},
		"authorize credentials": {`https://id.example.com/a`, `https://id.example.com@evil.example/a`},
		"token by http":         {`https://id.example.com/t`, `http://id.example.com/t`},
		"token on loopback":     {`https://id.example.com/t`, `http://127.0.0.1/t`},
		"token missing":         {`"token_endpoint":"https://id.example.com/t",`, ``},
		"token not a string":    {`"https://id.example.com/t"`, `{}`},
		"keys by file":          {`https://keys.example.com/k`, `file:///etc/passwd`},
		"keys missing":          {`"jwks_uri":"https://keys.example.com/k",`, ``},
		"UserInfo by http":      {`https://id.example.com/u`, `http://id.example.com/u`},
		"iss flag as text":      {`"nested":{"a":[1]}`, `"authorization_response_iss_parameter_supported":"true"`},
		"methods wrong":         {`"nested":{"a":[1]}`, `"token_endpoint_auth_methods_supported":[1]`},
		"trailing data":         {`{"a":[1]}}`, `{"a":[1]}} {}`},
		"not an object":         {document(), `[]`},
		"empty":                 {document(), ``},
		"too deep":              {`{"a":[1]}`, strings.Repeat("[", 40) + strings.Repeat("]", 40)},
	} {
		if m, err := Parse(document(changes...), issuer, nil, false); !errors.Is(err, ErrMetadata) || m != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if _, err := Parse(document(), issuer, nil, false); err != nil {
		t.Errorf("the good document: %v", err)
	}
	if _, err := Parse(document(`https://id.example.com/t`, `http://localhost:1/t`), issuer, nil, true); err != nil {
		t.Errorf("loopback allowed: %v", err)
	}
	template := func(got string) bool { return got == "https://{tenant}.example.com" }
	if _, err := Parse(document(`"issuer":"https://id.example.com"`, `"issuer":"https://{tenant}.example.com"`), issuer, template, false); err != nil {
		t.Errorf("issuer by function: %v", err)
	}
	if _, err := Parse(document(), issuer, template, false); !errors.Is(err, ErrMetadata) {
		t.Errorf("refused by function: %v", err)
	}
}

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://a":                     "https://a/.well-known/openid-configuration",
		"https://a/":                    "https://a/.well-known/openid-configuration",
		"https://id.twitch.tv/oauth2":   "https://id.twitch.tv/oauth2/.well-known/openid-configuration",
		"https://example.com/tenant/x/": "https://example.com/tenant/x/.well-known/openid-configuration",
	} {
		if got := URL(in); got != want {
			t.Errorf("URL(%q) = %q", in, got)
		}
	}
}

// transport answers without a network, for synctest.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	rec := httptest.NewRecorder()
	rec.WriteHeader(status)
	rec.WriteString(body)
	return rec.Result()
}

func source(c Config, f transport) *Source {
	c.Issuer = issuer
	c.Client = fetch.Client(fetch.Options{HTTPClient: &http.Client{Transport: f}})
	return New(c)
}

func TestSourceCaches(t *testing.T) {
	calls, fail := 0, false
	s := source(Config{}, func(r *http.Request) (*http.Response, error) {
		calls++
		if got := r.URL.String(); got != issuer+"/.well-known/openid-configuration" {
			t.Errorf("fetched %s", got)
		}
		if fail {
			return answer(http.StatusInternalServerError, ""), nil
		}
		return answer(http.StatusOK, document()), nil
	})
	if calls != 0 {
		t.Fatal("New made a call")
	}
	now := time.Unix(1_800_000_000, 0)
	for i, step := range []struct {
		later time.Duration
		fail  bool
		calls int
	}{
		{0, false, 1},
		{59 * time.Minute, false, 1},
		{2 * time.Minute, false, 2},
		{61 * time.Minute, true, 3}, // stale while error
		{0, true, 3},                // cooling down
		{6 * time.Second, true, 4},
		{6 * time.Second, false, 5},
		{59 * time.Minute, false, 5},
		{-2 * time.Hour, false, 6}, // after the clock was set back the document counts as old
	} {
		now, fail = now.Add(step.later), step.fail
		if m, err := s.Get(t.Context(), now); err != nil || m.Issuer != issuer {
			t.Fatalf("step %d: %+v, %v", i, m, err)
		}
		if calls != step.calls {
			t.Fatalf("step %d: %d calls, want %d", i, calls, step.calls)
		}
	}
}

func TestC7_FailureIsNotCachedForLong(t *testing.T) {
	calls, now := 0, time.Unix(1_800_000_000, 0)
	s := source(Config{}, func(*http.Request) (*http.Response, error) {
		calls++
		if calls == 1 {
			return answer(http.StatusBadGateway, "<html>"), nil
		}
		return answer(http.StatusOK, document()), nil
	})
	for range 10 {
		if _, err := s.Get(t.Context(), now); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("down: %v", err)
		}
	}
	if calls != 1 {
		t.Fatalf("%d calls while cooling down", calls)
	}
	if _, err := s.Get(t.Context(), now.Add(5*time.Second)); err != nil {
		t.Fatalf("up again: %v", err)
	}
}

func TestSourceSharesAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		s := source(Config{}, func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			<-release
			return answer(http.StatusOK, document()), nil
		})
		impatient, giveUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		gone := false
		wg.Go(func() {
			_, err := s.Get(impatient, time.Now())
			gone = errors.Is(err, ErrUnavailable)
		})
		synctest.Wait() // the impatient caller has started the fetch
		for range 100 {
			wg.Go(func() {
				if m, err := s.Get(t.Context(), time.Now()); err != nil || m.Issuer != issuer {
					t.Errorf("%+v, %v", m, err)
				}
			})
		}
		synctest.Wait()
		giveUp() // this must not end the fetch of the others
		synctest.Wait()
		close(release)
		wg.Wait()
		if calls.Load() != 1 || !gone {
			t.Errorf("%d fetches; the impatient one left: %v", calls.Load(), gone)
		}
	})
}

func TestC5_MismatchIsNoOutage(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"mismatch":  {200, document(`"issuer":"https://id.example.com"`, `"issuer":"https://x.example"`), ErrMetadata},
		"not found": {404, "", ErrMetadata},
		"redirect":  {302, "", ErrMetadata},
		"html":      {200, "<html>", ErrMetadata},
		"busy":      {429, "", ErrUnavailable},
		"broken":    {503, "", ErrUnavailable},
		"too large": {200, strings.Repeat(" ", 1<<20) + document(), ErrUnavailable},
	} {
		s := source(Config{}, func(*http.Request) (*http.Response, error) { return answer(tt.status, tt.body), nil })
		if _, err := s.Get(t.Context(), time.Now()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := New(Config{Issuer: "https://127.0.0.1", Client: fetch.Client(fetch.Options{})})
	if _, err := s.Get(t.Context(), time.Now()); !errors.Is(err, ErrMetadata) || !errors.Is(err, fetch.ErrRefused) {
		t.Errorf("private issuer: %v", err)
	}
}

// TestParseKeys: an issuer without sign-in has metadata too. Members that are not needed are not checked.
func TestParseKeys(t *testing.T) {
	m, err := ParseKeys(document(`https://id.example.com/a`, `javascript:alert(1)`, `"https://id.example.com/t"`, `null`), issuer, false)
	if want := (Metadata{Issuer: issuer, JWKS: "https://keys.example.com/k"}); err != nil || fmt.Sprint(*m) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := ParseKeys(`{"issuer":"https://id.example.com","jwks_uri":"https://keys.example.com/k"}`, issuer, false); err != nil {
		t.Error(err)
	}
	for name, changes := range map[string][]string{
		"other issuer": {`"issuer":"https://id.example.com"`, `"issuer":"https://evil.example.com"`},
		"keys by http": {`https://keys.example.com/k`, `http://keys.example.com/k`},
		"no keys":      {`"jwks_uri"`, `"other"`},
		"keys twice":   {`"nested"`, `"jwks_uri":"https://evil.example.com","nested"`},
		"not an end":   {`"nested":{"a":[1]}}`, `"nested":{"a":[1]}`},
	} {
		if m, err := ParseKeys(document(changes...), issuer, false); m != nil || !errors.Is(err, ErrMetadata) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document())
	f.Add(document(`"nested":{"a":[1]}`, `"authorization_response_iss_parameter_supported":true,"token_endpoint_auth_methods_supported":"none"`))
	f.Add(document(`https://id.example.com/t`, `http://127.0.0.1/t`))
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, doc string) {
		k, keysErr := ParseKeys(doc, issuer, false)
		if keysErr == nil && (k.Issuer != issuer || !strings.HasPrefix(strings.ToLower(k.JWKS), "https://")) {
			t.Fatalf("keys: %+v", k)
		}
		m, err := Parse(doc, issuer, nil, false)
		if err == nil && (keysErr != nil || k.JWKS != m.JWKS) {
			t.Fatalf("keys: %+v, %v, but all together: %+v", k, keysErr, m)
		}
		if err != nil {
			if m != nil || !errors.Is(err, ErrMetadata) {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		if m.Issuer != issuer {
			t.Fatalf("issuer %q", m.Issuer)
		}
		for _, u := range []string{m.AuthURL, m.TokenURL, m.JWKS, m.UserInfo} {
			if u != "" && !strings.HasPrefix(strings.ToLower(u), "https://") {
				t.Fatalf("endpoint %q", u)
			}
		}
		if m.AuthURL == "" || m.TokenURL == "" || m.JWKS == "" {
			t.Fatalf("an endpoint is missing: %+v", m)
		}
	})
}
