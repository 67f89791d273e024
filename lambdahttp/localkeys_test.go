package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// database stands for a store that all processes of a function share.
type database struct{ memory store.Memory }

func (d *database) Get(_ context.Context, k ...store.Key) ([]store.Item, error) {
	return d.memory.Get(context.Background(), k...)
}

func (d *database) Write(_ context.Context, c ...store.Change) error {
	return d.memory.Write(context.Background(), c...)
}

func (d *database) Add(_ context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	return d.memory.Add(context.Background(), k, delta, expires)
}

func (d *database) List(_ context.Context, part, after string, limit int) ([]store.Item, string, error) {
	return d.memory.List(context.Background(), part, after, limit)
}

// A process is one of several of a function, with its log.
type process struct {
	sessions *session.Sessions
	user     *session.Kind[struct{}]
	function *lambdahttp.Function
	log      bytes.Buffer
}

func newProcess(t *testing.T, st store.Store, vault keys.Vault, allow bool) *process {
	t.Helper()
	p := &process{}
	log := slog.New(slog.NewJSONHandler(&p.log, nil))
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	p.sessions, err = session.New(session.Config{Issuer: "https://app.example.com/auth", Audience: "api", Keys: ring, Store: st, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	p.user = session.NewKind[struct{}](p.sessions, "user")
	mux := http.NewServeMux()
	mux.Handle("/auth/", p.sessions.Handler())
	mux.Handle("GET /orders", p.user.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	p.function = function(t, mux, lambdahttp.Config{AllowLocal: allow, Logger: log})
	return p
}

// TestLocalKeys_ThreeProcesses: three processes of a function share a store. Where each has a separate ring, all
// answer 503 and log why, as with a store.Memory, and do not end sessions by chance. With one ring all of them work.
func TestLocalKeys_ThreeProcesses(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	for name, c := range map[string]struct {
		vault  func(t *testing.T, st store.Store) keys.Vault
		allow  bool
		others int    // the status of a process that did not sign the token
		reason string // in the log of each
	}{
		"MemoryVault": {func(*testing.T, store.Store) keys.Vault { return &keys.MemoryVault{} }, false, 503, "keys belong to one process"},
		"StoreVault over a store.Memory": {func(*testing.T, store.Store) keys.Vault {
			return keys.StoreVault{Store: &store.Memory{}, Sealer: keys.MasterKey(key)}
		}, false, 503, "keys belong to one process"},
		"FileVault below /tmp": {func(t *testing.T, _ store.Store) keys.Vault {
			t.Setenv("TMPDIR", "/tmp") // read again for this subtest
			return keys.FileVault{Path: filepath.Join(t.TempDir(), "keys"), Sealer: keys.MasterKey(key)}
		}, false, 503, "keys belong to one process"},
		"MemoryVault, allowed": {func(*testing.T, store.Store) keys.Vault { return &keys.MemoryVault{} }, true, 401, "names a key that this program does not have"},
		"StoreVault over the shared store": {func(_ *testing.T, st store.Store) keys.Vault {
			return keys.StoreVault{Store: st, Sealer: keys.MasterKey(key)}
		}, false, 204, ""},
	} {
		t.Run(name, func(t *testing.T) {
			st := &database{}
			var processes [3]*process
			for i := range processes {
				processes[i] = newProcess(t, st, c.vault(t, st), c.allow)
			}
			var turn atomic.Int64
			front := lambdatest.Handler(lambdatest.HTTPAPI, lambdatest.Func(func(ctx context.Context, event []byte) ([]byte, error) {
				return processes[(turn.Add(1)-1)%3].function.Invoke(ctx, event)
			}))
			signedIn := httptest.NewRecorder()
			ret := returnto.New("https://app.example.com/", "", "", "")
			if err := processes[0].user.Cookie(signedIn, httptest.NewRequest("GET", "https://app.example.com/", nil), session.Grant[struct{}]{Subject: "u1"}, ret); err != nil {
				t.Fatal(err)
			}
			call := func(method, path string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, "https://app.example.com"+path, nil)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				for _, cookie := range signedIn.Result().Cookies() {
					r.AddCookie(cookie)
				}
				w := httptest.NewRecorder()
				front.ServeHTTP(w, r)
				return w
			}
			for i := range 9 {
				want := c.others
				if i%3 == 0 && c.others != 503 {
					want = 204
				}
				w := call("GET", "/orders")
				if w.Code != want {
					t.Errorf("request %d: %d %s, want %d", i, w.Code, w.Body, want)
				}
				checkRefusal(t, w)
				if c.others == 503 {
					checkLocal(t, w)
				}
			}
			published := map[string]bool{}
			for range 3 {
				w := call("GET", "/auth/.well-known/jwks.json")
				published[w.Body.String()] = true
				if c.others == 503 {
					checkRefusal(t, w)
					checkLocal(t, w)
				}
				if want := 200; c.others == 503 && w.Code != 503 || c.others != 503 && w.Code != want {
					t.Errorf("the key set: %d %s", w.Code, w.Body)
				}
			}
			if c.others == 204 && len(published) != 1 {
				t.Error("processes with one ring publish different keys")
			}
			for range 3 {
				checkRefusal(t, call("POST", "/auth/refresh"))
			}
			for i, p := range processes {
				if !strings.Contains(p.log.String(), c.reason) {
					if i == 0 && c.others == 401 {
						continue // the process that signed has the key
					}
					t.Errorf("process %d does not log %q: %s", i, c.reason, p.log.String())
				}
				if strings.Contains(p.log.String(), "warn") && c.others == 204 {
					t.Errorf("process %d: %s", i, p.log.String())
				}
			}
			if list, err := processes[0].sessions.List(t.Context(), "u1", session.ListOptions{}); err != nil || len(list.Sessions) != 1 {
				t.Errorf("the session afterwards: %d, %v", len(list.Sessions), err)
			}
		})
	}
}

// checkLocal checks that a refusal for local keys names the mistake and does not invite to try again: no later request
// does better.
func checkLocal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	if w.Code != 503 || !strings.Contains(body, "keys of this program are kept in one process") || strings.Contains(body, "try again") || w.Header().Get("Retry-After") != "" {
		t.Errorf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), body)
	}
}

// checkRefusal checks that an answer takes no session away and names nothing of the machine.
func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code < 400 {
		return
	}
	var body struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	if w.Code == 503 && body.Error != "temporarily_unavailable" || w.Code == 401 && body.Error != "try_refresh" {
		t.Errorf("%d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	if len(w.Header()["Set-Cookie"]) != 0 {
		t.Errorf("%d takes the cookies away: %v", w.Code, w.Header()["Set-Cookie"])
	}
	for _, word := range []string{"vault", "Vault", "Memory", "/tmp", "keys."} {
		if strings.Contains(w.Body.String(), word) {
			t.Errorf("%d names %q: %s", w.Code, word, w.Body)
		}
	}
}
