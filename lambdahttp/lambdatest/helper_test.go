package lambdatest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
)

// recorder is a function that keeps its events and answers with a fixed result or error.
type recorder struct {
	mu     sync.Mutex
	events [][]byte
	out    string
	err    error
}

func (r *recorder) Invoke(_ context.Context, event []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	return checkAnswer([]byte(r.out), r.err)
}

func (r *recorder) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// last decodes the last event.
func (r *recorder) last(t testing.TB) map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		t.Fatal("the function was not called")
	}
	var m map[string]any
	if err := json.Unmarshal(r.events[len(r.events)-1], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func ok() *recorder { return &recorder{out: `{"statusCode":200,"body":"ok"}`} }

// at walks down a decoded document: at(doc, "requestContext.http.method").
func at(doc any, path string) any {
	for _, key := range strings.Split(path, ".") {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = m[key]
	}
	return doc
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustNew(t testing.TB, cfg Config) *Gateway {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// request makes a request; headers come as "Name: value".
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Add(k, v)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newClock() *testclock.Clock { return testclock.New(time.Date(2026, 7, 10, 12, 0, 0, 0, time.UTC)) }

// replaced hands another event to a function.
type replaced struct {
	f     Function
	event []byte
}

func (r replaced) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	return r.f.Invoke(ctx, r.event)
}
