package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain builds the function once for all tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lambdatest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bootstrapDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var (
	bootstrapDir  string
	bootstrapOnce sync.Once
	errBootstrap  error
)

func bootstrap(t testing.TB) string {
	t.Helper()
	path := filepath.Join(bootstrapDir, "bootstrap")
	bootstrapOnce.Do(func() {
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, "./testdata/echo")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			errBootstrap = fmt.Errorf("%w: %s", err, out)
		}
	})
	if errBootstrap != nil {
		t.Fatal(errBootstrap)
	}
	return path
}

func newRuntime(t testing.TB, cfg RuntimeConfig) *Runtime {
	t.Helper()
	cfg.Bootstrap = bootstrap(t)
	setDefault(&cfg.Timeout, 30*time.Second) // the machine may be busy; tests of the timeout set their own
	setDefault(&cfg.InitTimeout, 60*time.Second)
	rt, err := NewRuntime(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.Processes(); n != 0 {
			t.Errorf("%d processes are left after Close", n)
		}
	})
	return rt
}

// echoed is the answer of the function.
type echoed struct {
	Event     json.RawMessage
	PID       int
	RequestID string
	ARN       string
	Deadline  int64
	Trace     string
	Env       []string
}

func echo(t *testing.T, rt *Runtime, event string) echoed {
	t.Helper()
	out, err := rt.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	var e echoed
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return e
}

func fails(t *testing.T, rt *Runtime, event string) *FunctionError {
	t.Helper()
	out, err := rt.Invoke(t.Context(), []byte(event))
	var fe *FunctionError
	if !errors.As(err, &fe) {
		t.Fatalf("%s: got %s and %v, want a FunctionError", event, out, err)
	}
	return fe
}

func TestRuntime_Invoke(t *testing.T) {
	var reports []Report
	rt := newRuntime(t, RuntimeConfig{Name: "orders", Memory: 256, Timeout: 30 * time.Second, Env: []string{"STORE=memory"},
		OnReport: func(r Report) { reports = append(reports, r) }})
	if rt.Processes() != 0 {
		t.Error("a process runs before the first event")
	}
	before := time.Now()
	first := echo(t, rt, `{"a": 1}`)
	after := time.Now()
	if string(first.Event) != `{"a":1}` && string(first.Event) != `{"a": 1}` {
		t.Errorf("the event arrived as %s", first.Event)
	}
	if d := time.UnixMilli(first.Deadline); d.Before(before.Add(29*time.Second)) || d.After(after.Add(30*time.Second)) {
		t.Errorf("the deadline is %v, want 30 s after the call", d)
	}
	if want := "arn:aws:lambda:us-east-1:123456789012:function:orders"; first.ARN != want {
		t.Errorf("arn %s, want %s", first.ARN, want)
	}
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(first.Trace) {
		t.Errorf("trace %q", first.Trace)
	}
	for _, want := range []string{"AWS_LAMBDA_FUNCTION_NAME=orders", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_REGION=us-east-1", "_HANDLER=bootstrap", "STORE=memory"} {
		if !slices.Contains(first.Env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	if slices.ContainsFunc(first.Env, func(s string) bool { return strings.HasPrefix(s, "HOME=") }) {
		t.Error("the environment of this process leaks into the function")
	}
	second := echo(t, rt, `{}`)
	if second.PID != first.PID || second.RequestID == first.RequestID {
		t.Errorf("second call: process %d (was %d), request %s (was %s)", second.PID, first.PID, second.RequestID, first.RequestID)
	}
	if len(reports) != 2 || reports[0].Init <= 0 || reports[1].Init != 0 || reports[0].Duration <= 0 || reports[0].PID != first.PID || reports[1].RequestID != second.RequestID {
		t.Errorf("reports %+v", reports)
	}
}

func TestRuntime_FunctionErrors(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	tests := []struct {
		name, event, typ, message string
		sameProcess               bool
	}{
		{"returned error", `{"do": "fail", "text": "Unauthorized"}`, "errorString", "Unauthorized", true},
		{"panic", `{"do": "panic", "text": "oh no"}`, "string", "oh no", false},
		{"exit", `{"do": "exit"}`, "Runtime.ExitError", "exit status 3", false},
		{"result too large", fmt.Sprintf(`{"do": "big", "size": %d}`, MaxPayload), "Function.ResponseSizeTooLarge", "6291556", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := echo(t, rt, `{}`).PID
			fe := fails(t, rt, tt.event)
			if fe.Type != tt.typ || !strings.Contains(fe.Message, tt.message) {
				t.Errorf("got %s: %s, want %s: …%s…", fe.Type, fe.Message, tt.typ, tt.message)
			}
			if !json.Valid(fe.Payload) {
				t.Errorf("payload %s", fe.Payload)
			}
			if after := echo(t, rt, `{}`).PID; (after == before) != tt.sameProcess {
				t.Errorf("process %d before, %d after", before, after)
			}
		})
	}
	// The largest result that fits: two bytes are quotes.
	if out, err := rt.Invoke(t.Context(), fmt.Appendf(nil, `{"do": "big", "size": %d}`, MaxPayload-2)); err != nil || len(out) != MaxPayload {
		t.Errorf("got %d bytes and %v", len(out), err)
	}
	if _, err := rt.Invoke(t.Context(), make([]byte, MaxPayload+1)); !errors.Is(err, ErrPayloadTooLarge) {
		t.Errorf("an event of 6 MB and a byte: %v", err)
	}
}

func TestRuntime_Timeout(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Timeout: 300 * time.Millisecond})
	fe := fails(t, rt, `{"do": "hang"}`)
	if fe.Type != "Sandbox.Timedout" || !strings.Contains(fe.Message, "Task timed out after 0.30 seconds") {
		t.Errorf("got %s: %s", fe.Type, fe.Message)
	}
	if n := rt.Processes(); n != 0 {
		t.Errorf("%d processes after the timeout", n)
	}
}

func TestRuntime_GivenUp(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := rt.Invoke(ctx, []byte(`{"do": "hang"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := rt.Processes(); n != 0 {
		t.Errorf("%d processes after the call was given up", n)
	}
	echo(t, rt, `{}`)
}

func TestRuntime_Init(t *testing.T) {
	t.Run("exit", func(t *testing.T) {
		rt := newRuntime(t, RuntimeConfig{Env: []string{"ECHO_INIT=exit"}})
		if fe := fails(t, rt, `{}`); fe.Type != "Runtime.ExitError" || !strings.Contains(fe.Message, "exit status 7") {
			t.Errorf("got %v", fe)
		}
	})
	t.Run("too slow", func(t *testing.T) {
		rt := newRuntime(t, RuntimeConfig{Env: []string{"ECHO_INIT=hang"}, InitTimeout: 200 * time.Millisecond})
		if fe := fails(t, rt, `{}`); fe.Type != "Sandbox.Timedout" || !strings.Contains(fe.Message, "before it asked for an event") {
			t.Errorf("got %v", fe)
		}
	})
	t.Run("not a program", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "bootstrap")
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewRuntime(RuntimeConfig{Bootstrap: path}); err == nil {
			t.Error("a file that can't be run is taken")
		}
	})
}

// Events at the same time get one process each, up to the limit.
func TestRuntime_Concurrency(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Concurrency: 3})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	event := fmt.Appendf(nil, `{"do": "wait", "text": %q}`, ln.Addr())
	var wg sync.WaitGroup
	pids := make([]int, 9)
	for i := range pids {
		wg.Go(func() {
			out, err := rt.Invoke(t.Context(), event)
			var e echoed
			if err == nil {
				err = json.Unmarshal(out, &e)
			}
			if err != nil {
				t.Error(err)
			}
			pids[i] = e.PID
		})
	}
	for range len(pids) / 3 { // three are at work at the same time, and no more
		var conns []net.Conn
		for range 3 {
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		if n := rt.Processes(); n != 3 {
			t.Errorf("%d processes are alive, want 3", n)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	wg.Wait()
	slices.Sort(pids)
	if n := len(slices.Compact(pids)); n != 3 {
		t.Errorf("%d processes served, want 3", n)
	}
}

func TestRuntime_WaitsForSlot(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Concurrency: 1})
	rt.slots <- struct{}{} // somebody else's
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rt.Invoke(ctx, []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-rt.slots
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func TestRuntime_Output(t *testing.T) {
	var log syncBuffer
	rt := newRuntime(t, RuntimeConfig{Output: &log})
	echo(t, rt, `{"do": "print", "text": "hello log"}`)
	if err := rt.Close(); err != nil { // which reads the pipes to their end
		t.Fatal(err)
	}
	if s := log.b.String(); !strings.Contains(s, "hello log\n") || !strings.Contains(s, "hello log again\n") {
		t.Errorf("the log is %q", s)
	}
	if _, err := rt.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
