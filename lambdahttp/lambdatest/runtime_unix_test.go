//go:build unix

package lambdatest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// What the function started goes with it.
func TestRuntime_NoChildLeft(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	out, err := rt.Invoke(t.Context(), []byte(`{"do": "child"}`))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if err := json.Unmarshal(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child is not there: %v", err)
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	// A killed orphan is a zombie until its new parent collects it.
	for deadline := time.Now().Add(10 * time.Second); alive(pid); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the child is still there")
		}
	}
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}
