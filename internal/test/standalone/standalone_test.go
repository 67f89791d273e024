package standalone

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
)

// stores are the databases of the tests, each with the URL of a new one.
func stores(t *testing.T, test func(t *testing.T, storeURL string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "postern.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, testserver.Postgres(t).DSN()) })
}

// TestServe_Killed: sessions live on after a kill at any moment, and the server is back within ten seconds.
func TestServe_Killed(t *testing.T) {
	stores(t, func(t *testing.T, storeURL string) {
		s := newSite(t, storeURL)
		server := s.start()
		people := make([]*person, 4)
		for i := range people {
			people[i] = s.person(fmt.Sprintf("person%d", i))
			people[i].signUp()
		}
		people[0].must(204, "POST", "/signout", nil)
		people[0].signIn()
		for round := range 3 {
			done := make(chan struct{})
			var busy sync.WaitGroup
			for _, p := range people {
				busy.Go(func() {
					for _, a := range p.keepOn(done, 5*time.Millisecond) {
						t.Errorf("%s, round %d: %d %s", p.name, round, a.status, a.text)
					}
				})
			}
			time.Sleep(time.Duration(50+70*round) * time.Millisecond) // a kill at some moment of the refreshes
			s.end(server, syscall.SIGKILL)
			begun := time.Now()
			server = s.start()
			s.until("ready after a kill", recovery, func() bool { status, _ := get(server.local + "/readyz"); return status == 200 })
			t.Logf("back after %v", time.Since(begun))
			close(done)
			busy.Wait()
			for _, p := range people {
				if a := p.refreshes(); a.status != 200 {
					t.Errorf("%s lost the session in round %d: %d %s", p.name, round, a.status, a.text)
				}
				p.must(200, "GET", "/account", nil)
			}
		}
		if status := s.end(server, syscall.SIGTERM); status != 0 {
			t.Errorf("exit status %d after SIGTERM", status)
		}
	})
}

// TestServe_StoreOutage: without its store the server is not ready and answers 503, and within ten seconds after the
// outage everybody goes on.
func TestServe_StoreOutage(t *testing.T) {
	postgres := testserver.Postgres(t)
	dsn, err := url.Parse(postgres.DSN())
	if err != nil {
		t.Fatal(err)
	}
	line, err := testserver.NewRelay(dsn.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	dsn.Host = line.Addr()
	s := newSite(t, dsn.String())
	server := s.start()
	p := s.person("ada")
	p.signUp()
	line.Cut(true)
	s.until("not ready", recovery, func() bool { status, _ := get(server.local + "/readyz"); return status == 503 })
	if status, _ := get(server.local + "/healthz"); status != 200 {
		t.Errorf("health: %d", status)
	}
	if _, text := get(server.local + "/metrics"); !strings.Contains(text, "\npostern_store_up 0\n") {
		t.Error("postern_store_up is not 0")
	}
	for _, path := range []string{"/refresh", "/signout/everywhere"} {
		if a := p.send("POST", path, nil); a.status != 503 {
			t.Errorf("%s without a store: %d %s", path, a.status, a.text)
		}
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		if a := p.send("GET", path, nil); a.status != 200 {
			t.Errorf("%s needs no store: %d", path, a.status)
		}
	}
	line.Cut(false)
	took := s.until("ready again", recovery, func() bool { status, _ := get(server.local + "/readyz"); return status == 200 })
	t.Logf("ready %v after the outage", took)
	if a := p.refreshes(); a.status != 200 {
		t.Errorf("the session did not outlive the outage: %d %s", a.status, a.text)
	}
	p.must(200, "GET", "/account", nil)

	// A server that starts during an outage ends with the status that asks for another try.
	line.Cut(true)
	if status, out := s.failed(); status != 1 || strings.Contains(out, "password") {
		t.Errorf("start without a store: %d %s", status, out)
	}
}

// TestServe_TwoProcesses: people move between two servers on one database, and what one ends is over at the other.
func TestServe_TwoProcesses(t *testing.T) {
	s := newSite(t, testserver.Postgres(t).DSN())
	one, two := s.start(), s.start()
	p, thief := s.person("ada"), s.person("ada")
	p.signUp()
	thief.signIn()
	for range 4 {
		for _, each := range []*person{p, thief} {
			if a := each.refreshes(); a.status != 200 {
				t.Fatalf("refresh: %d %s", a.status, a.text)
			}
		}
	}
	p.must(204, "DELETE", "/account/sessions", nil) // all but this one
	for range 2 {                                   // at each server
		thief.must(401, "GET", "/account", nil)
		thief.must(401, "POST", "/refresh", nil)
		p.must(200, "GET", "/account", nil)
	}
	s.end(one, syscall.SIGTERM)
	p.must(200, "POST", "/refresh", nil)
	s.end(two, syscall.SIGTERM)
}

// TestE5_ReloadUnderLoad: no request fails while the configuration is replaced, refused because of a mistake, and
// refused because the store of the new one is down.
func TestE5_ReloadUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, "sqlite:"+filepath.Join(dir, "postern.db"))
	server := s.start()
	p := s.person("ada")
	p.signUp()
	done := make(chan struct{})
	var busy sync.WaitGroup
	var asked [2]int
	busy.Go(func() {
		for _, a := range p.keepOn(done, time.Millisecond) {
			t.Errorf("refresh: %d %s", a.status, a.text)
		}
	})
	for i := range asked {
		busy.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if status, text := get(s.url + "/auth/.well-known/jwks.json"); status != 200 {
					t.Errorf("keys: %d %s", status, text)
				}
				asked[i]++
			}
		})
	}
	named := func(name string) {
		t.Helper()
		if _, page := get(s.url + "/auth/password/authorize"); !strings.Contains(page, name) {
			t.Errorf("the page does not name %s", name)
		}
	}
	const taken, refused = "the configuration was reloaded", "the configuration was not reloaded; the one before goes on"
	good := fmt.Sprintf(configuration, "Example")
	named("Example")
	for round := range 3 {
		name := fmt.Sprintf("Round%d", round)
		s.writeText(fmt.Sprintf(configuration, name))
		s.reload(server, taken)
		named(name)
		for _, broken := range []string{
			good + "\n[nothing]\nx = 1\n", good[:len(good)/2], "", "\x00", strings.Replace(good, "secret:POSTERN_VAULT_KEY", "secret:UNSET", 1),
			strings.Replace(good, "${STORE}", "postgres://postgres@127.0.0.1:1/postgres", 1), strings.Replace(good, "${ISSUER}", "http://localhost:1/auth", 1),
			strings.Replace(good, `local_listen = "127.0.0.1:0"`, `local_listen = "0.0.0.0:0"`, 1),
		} {
			s.writeText(broken)
			s.reload(server, refused)
			named(name)
		}
		if err := os.Remove(s.file); err != nil {
			t.Fatal(err)
		}
		s.reload(server, refused)
	}
	close(done)
	busy.Wait()
	if asked[0]+asked[1] < 50 {
		t.Errorf("only %v requests: this was no load", asked)
	}
	p.must(200, "GET", "/account", nil)
	if _, text := get(server.local + "/metrics"); !strings.Contains(text, `postern_config_reloads_total{outcome="failure"} 27`) {
		t.Error("the refused reloads are not counted")
	}
}

// failed starts a server that does not start, and returns its exit status and what it printed.
func (s *site) failed() (int, string) {
	s.Helper()
	cmd := command(s)
	out, _ := cmd.CombinedOutput() // the status is in ProcessState
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestE5_BrokenDoesNotStart: the exit status says whether another try may help.
func TestE5_BrokenDoesNotStart(t *testing.T) {
	s := newSite(t, "sqlite:"+filepath.Join(t.TempDir(), "postern.db"))
	good := fmt.Sprintf(configuration, "Example")
	for want, c := range map[string]struct {
		text   string
		status int
	}{
		"nothing":              {good + "\n[nothing]\nx = 1\n", 2},
		"STORES":               {strings.Replace(good, "${STORE}", "${STORES}", 1), 2},
		"UNSET":                {strings.Replace(good, "secret:POSTERN_VAULT_KEY", "secret:UNSET", 1), 2},
		"from other machines":  {strings.Replace(good, `local_listen = "127.0.0.1:0"`, `local_listen = ":0"`, 1), 2},
		"127.0.0.1:1":          {strings.Replace(good, "${STORE}", "postgres://postgres@127.0.0.1:1/postgres", 1), 1},
		"there is no database": {strings.Replace(good, "migrate = true", "", 1), 1},
	} {
		s.writeText(c.text)
		if status, out := s.failed(); status != c.status || !strings.Contains(out, want) || strings.Contains(out, "MDEyMzQ1") {
			t.Errorf("%s: exit status %d, want %d:\n%s", want, status, c.status, out)
		}
	}
}

// TestE6_Crawl: the public listener has neither health, metrics and profiles, nor anything of `postern dev`.
func TestE6_Crawl(t *testing.T) {
	s := newSite(t, "sqlite:"+filepath.Join(t.TempDir(), "postern.db"))
	s.writeText(strings.Replace(fmt.Sprintf(configuration, "Example"), "[server]", "[server]\npprof = true", 1))
	server := s.start()
	for _, path := range []string{
		"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/auth/metrics", "/auth/healthz", "/auth/readyz", "/auth/debug/pprof/",
		"/", "/inbox", "/inbox.json", "/inbox/1", "/token", "/settings", "/api/me", "/idp/google/authorize", "/idp/google/.well-known/openid-configuration",
		"/idp/github/login/oauth/authorize", "/idp/google/jwks", "/assets/", "/app", "/auth/google/authorize", "/auth/link/authorize", "/auth/admin", "/auth/admin/users",
	} {
		for _, at := range []string{"http://" + server.public, s.url} {
			if status, body := get(at + path); status != http.StatusNotFound {
				t.Errorf("%s%s: %d %.200s", at, path, status, body)
			}
		}
	}
	if status, _ := get(server.local + "/debug/pprof/heap"); status != 200 {
		t.Errorf("profiles on the local listener: %d", status)
	}
	if status, _ := get(server.local + "/auth/.well-known/jwks.json"); status != 404 {
		t.Errorf("the issuer on the local listener: %d", status)
	}
}
