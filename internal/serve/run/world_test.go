package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve/run"
)

// house is a house of few routes.
type house struct {
	name string

	mu     sync.Mutex
	down   error
	closed bool

	maintained int
	maintain   chan struct{} // Maintain ends when it is closed; nil: at once
	gate       chan struct{} // /auth/refresh ends when it is closed
	inside     chan struct{} // gets a value when /auth/refresh begins
}

func newHouse(name string) *house {
	return &house{name: name, gate: make(chan struct{}), inside: make(chan struct{}, 8)}
}

const document = `{"paths":{"/token":{},"/refresh":{},"/{provider}/authorize":{},"/session":{}}}`

func (h *house) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/auth/openapi.json":
			_, _ = io.WriteString(w, document)
		case "/auth/token":
			_, _ = io.WriteString(w, h.name)
		case "/auth/refresh":
			h.inside <- struct{}{}
			<-h.gate
			_, _ = io.WriteString(w, h.name)
		case "/auth/session":
			panic("a bug")
		default:
			http.NotFound(w, r)
		}
	})
}

func (h *house) Ready(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

func (h *house) StoreUp(ctx context.Context) error { return h.Ready(ctx) }

func (h *house) KeyCreated(context.Context) (time.Time, error) { return time.Now(), nil }

func (h *house) Maintain(context.Context) error {
	h.mu.Lock()
	h.maintained++
	h.mu.Unlock()
	if h.maintain != nil {
		<-h.maintain
	}
	return nil
}

func (h *house) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return nil
}

func (h *house) setDown(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = err
}

func (h *house) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// closed waits until a house is closed.
func (w *world) closed(h *house) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !h.isClosed(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("the house %s stays open", h.name)
		}
	}
}

// lines is a log that tests wait for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return n, err
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait waits until the log has a text n times.
func (l *lines) wait(t *testing.T, text string, n int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for strings.Count(l.String(), text) < n {
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("the log does not have %q %d times:\n%s", text, n, l.String())
		}
	}
}

// world is a process that serves.
type world struct {
	t      *testing.T
	log    *lines
	reload chan os.Signal
	stop   context.CancelFunc
	ended  chan error
	addrs  [2]net.Addr
	client *http.Client

	mu   sync.Mutex
	plan run.Plan
	err  error                    // of Load
	load func() (run.Plan, error) // nil: it returns plan and err
}

func (w *world) setLoad(load func() (run.Plan, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load = load
}

func (w *world) set(plan run.Plan, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan, w.err = plan, err
}

// planOf is a plan whose house is h.
func planOf(h *house) run.Plan {
	return run.Plan{
		Settings: run.Settings{Issuer: "http://localhost:8080/auth", Listen: "127.0.0.1:0", LocalListen: "127.0.0.1:0", Shutdown: 5 * time.Second},
		Open: func(context.Context, run.Tools) (run.House, error) {
			return h, nil
		},
	}
}

// start starts a process and returns when it answers.
func start(t *testing.T, plan run.Plan) *world {
	t.Helper()
	return startAfter(t, plan, nil)
}

// startAfter is start with the clock of Config.After.
func startAfter(t *testing.T, plan run.Plan, after func(time.Duration) <-chan time.Time) *world {
	t.Helper()
	w := &world{t: t, log: &lines{more: make(chan struct{}, 1)}, reload: make(chan os.Signal), ended: make(chan error, 1), plan: plan}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	ready := make(chan struct{})
	ended := w.ended
	go func() {
		ended <- run.Run(ctx, run.Config{
			Load: func(context.Context) (run.Plan, error) {
				w.mu.Lock()
				plan, err, load := w.plan, w.err, w.load
				w.mu.Unlock()
				if load != nil {
					return load()
				}
				return plan, err
			},
			Reload: w.reload, Log: w.log, After: after,
			Started: func(_ run.Settings, public, local net.Addr) { w.addrs = [2]net.Addr{public, local}; close(ready) },
		})
	}()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		to := w.addrs[0]
		if strings.HasPrefix(addr, "local") {
			to = w.addrs[1]
		}
		return new(net.Dialer).DialContext(ctx, to.Network(), to.String())
	}}
	w.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	select {
	case <-ready:
	case err := <-w.ended:
		stop()
		t.Fatalf("it did not start: %v", err)
	}
	t.Cleanup(func() {
		stop()
		if w.ended != nil {
			if err := w.end(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		}
	})
	return w
}

// end waits for the end and returns its error.
func (w *world) end() error {
	w.t.Helper()
	ended := w.ended
	w.ended = nil
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		w.t.Fatal("it does not end")
		return nil
	}
}

// get asks a listener: http://public/ or http://localhost/, which is the local one.
func (w *world) get(url string, header ...string) (int, string, http.Header) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

// logged returns the lines of the log with a message.
func (w *world) logged(message string) (found []map[string]any) {
	w.t.Helper()
	for line := range strings.Lines(w.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			w.t.Fatalf("a line of the log is no JSON: %s", line)
		}
		if m["msg"] == message {
			found = append(found, m)
		}
	}
	return found
}

func load(plan run.Plan) func(context.Context) (run.Plan, error) {
	return func(context.Context) (run.Plan, error) { return plan, nil }
}
