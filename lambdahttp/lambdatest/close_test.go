package lambdatest

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Close ends what is under way, and leaves neither a process nor a goroutine behind.
func TestRuntime_CloseUnderWay(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	result := make(chan error, 1)
	go func() {
		_, err := rt.Invoke(t.Context(), fmt.Appendf(nil, `{"do": "wait", "text": %q}`, ln.Addr()))
		result <- err
	}()
	conn, err := ln.Accept() // the event has arrived
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	var fe *FunctionError
	if err := <-result; !errors.As(err, &fe) || fe.Type != errExit {
		t.Errorf("got %v", err)
	}
	if n := rt.Processes(); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	if err := rt.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		text := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(text, "lambdatest.(*sandbox)") && !strings.Contains(text, "lambdatest.startSandbox") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", text)
		}
	}
}
