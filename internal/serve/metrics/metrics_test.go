package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve/metrics"
	"github.com/posternauth/postern/session"
)

// scrape returns the text of the metrics.
func scrape(t *testing.T, s *metrics.Set) string {
	t.Helper()
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, text)
		}
	}
}

func routes(t *testing.T, base string) *metrics.Routes {
	t.Helper()
	document, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := metrics.NewRoutes(base, document)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSet(t *testing.T) {
	now := time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)
	s := metrics.New(metrics.Config{Version: "v1.2.3", Now: func() time.Time { return now }})
	end := s.Begin()
	has(t, scrape(t, s), "postern_http_requests_in_flight 1")
	now = now.Add(300 * time.Millisecond)
	end("/auth/token", 200)
	s.Event(t.Context(), session.Event{Name: "sign-in", Provider: "google"})
	s.Event(t.Context(), session.Event{Name: "sign-in failed", Provider: "google"})
	s.Event(t.Context(), session.Event{Name: "sign-in failed"})
	s.Event(t.Context(), session.Event{Name: "session created"})
	s.Panicked()
	s.Loaded()
	s.Reloaded(false)
	text := scrape(t, s)
	has(t, text,
		`postern_http_requests_total{route="/auth/token",status="200"} 1`,
		`postern_http_request_seconds_bucket{route="/auth/token",le="0.25"} 0`,
		`postern_http_request_seconds_bucket{route="/auth/token",le="0.5"} 1`,
		"postern_http_requests_in_flight 0", "postern_http_panics_total 1",
		`postern_sign_ins_total{outcome="success",provider="google"} 1`,
		`postern_sign_ins_total{outcome="failure",provider="google"} 1`,
		`postern_sign_ins_total{outcome="failure",provider="none"} 1`,
		`postern_events_total{event="session created"} 1`, `postern_events_total{event="sign-in failed"} 2`,
		`postern_config_reloads_total{outcome="failure"} 1`, `postern_config_reloads_total{outcome="success"} 0`,
		"postern_config_loaded_timestamp_seconds 1.7790192003e+09",
	)
	for _, name := range []string{"go_goroutines", "process_start_time_seconds", "process_open_fds", "postern_build_info"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// TestSet_StoreAndKeys: the store is asked at each scrape, the vault once a minute, and a vault that fails does not
// hide how old the keys are.
func TestSet_StoreAndKeys(t *testing.T) {
	now := time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)
	created, asked := now.Add(-time.Hour), 0
	var down error
	s := metrics.New(metrics.Config{Now: func() time.Time { return now },
		StoreUp:    func(context.Context) error { return down },
		KeyCreated: func(context.Context) (time.Time, error) { asked++; return created, down }})
	down = errors.New("down")
	if text := scrape(t, s); strings.Contains(text, "\npostern_key_age_seconds") {
		t.Errorf("an age that nobody knows is reported:\n%s", text)
	}
	down = nil
	now = now.Add(time.Minute)
	has(t, scrape(t, s), "postern_store_up 1", "postern_key_age_seconds 3660", "# HELP postern_key_age_seconds Age of the newest key of the ring. Where keys of KMS sign, it signs nothing.")
	down = errors.New("down")
	now = now.Add(59 * time.Second)
	has(t, scrape(t, s), "postern_store_up 0", "postern_key_age_seconds 3719")
	if asked != 2 {
		t.Errorf("the vault was asked %d times, want 2", asked)
	}
	now = now.Add(time.Second)
	has(t, scrape(t, s), "postern_store_up 0", "postern_key_age_seconds 3720")
	if asked != 3 {
		t.Errorf("the vault was asked %d times, want 3", asked)
	}
}

func TestRoutes(t *testing.T) {
	r := routes(t, "/auth")
	for path, want := range map[string]string{
		"/auth": "/auth", "/auth/": "/auth", "/auth/token": "/auth/token", "/auth/sessions/a.b": "/auth/sessions/{id}",
		"/auth/google/authorize": "/auth/{provider}/authorize", "/auth/account": "/auth/account", "/auth/account/security": "/auth/account/*",
		"/auth/account/verify": "/auth/account/*", "/auth/account/sessions": "/auth/account/sessions", "/auth/factors/totp/verify": "/auth/factors/{factor}/verify",
		"/auth/admin/users/u1/sessions/s1": "/auth/admin/users/{id}/sessions/{sid}", "/auth/admin/users/u1/what": "/auth/admin/*", "/auth/verify": "/auth/verify",
		"/auth/verify/wiki": "/auth/verify/{app}", "/auth/assets/style.css": "/auth/assets/{file}", "/auth/.well-known/jwks.json": "/auth/.well-known/jwks.json",
		"/.well-known/change-password": "/.well-known/change-password", "/.well-known/oauth-authorization-server/auth": "/.well-known/oauth-authorization-server/auth",
		"/": "other", "": "other", "/authx": "other", "/auth/nothing": "other", "/auth//authorize": "other", "/auth/token/": "other", "/metrics": "other",
		"/auth/" + strings.Repeat("x", 2000) + "/authorize": "other",
	} {
		if got := r.Of(path); got != want {
			t.Errorf("%.60s: %s, want %s", path, got, want)
		}
	}
	bare := routes(t, "")
	for path, want := range map[string]string{"/": "/", "/token": "/token", "/google/callback": "/{provider}/callback", "/x": "other"} {
		if got := bare.Of(path); got != want {
			t.Errorf("without a path of the issuer: %s: %s, want %s", path, got, want)
		}
	}
}

// TestE6_LabelsAreBounded: a hundred thousand hostile paths, statuses, events and providers make a bounded number of
// time series.
func TestE6_LabelsAreBounded(t *testing.T) {
	r := routes(t, "/auth")
	s := metrics.New(metrics.Config{})
	for i := range 100_000 {
		name := fmt.Sprintf("x%d\"}\n{evil=\"%d", i, i)
		path := []string{"/", "/auth/", "/auth/account/", "/auth/%/authorize", "/auth/sessions/", "/.well-known/"}[i%6]
		s.Begin()(r.Of(path+name), i%1000)
		s.Event(t.Context(), session.Event{Name: []string{"sign-in", "sign-in failed", name}[i%3], Provider: name})
	}
	series := 0
	templates := map[string]bool{}
	label := regexp.MustCompile(`route="([^"]*)"`)
	for line := range strings.Lines(scrape(t, s)) {
		if strings.HasPrefix(line, "postern_") {
			series++
		}
		if m := label.FindStringSubmatch(line); m != nil {
			templates[m[1]] = true
		}
	}
	if series > 4000 {
		t.Errorf("%d time series", series)
	}
	if got := len(templates); got > 8 {
		t.Errorf("%d values of route: %v", got, slices.Sorted(func(yield func(string) bool) {
			for k := range templates {
				if !yield(k) {
					return
				}
			}
		}))
	}
}
