package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// vercelFun is a lambdatest.Function that runs a bootstrap by npm @vercel/fun.
type vercelFun struct {
	mu  sync.Mutex // one call at a time
	in  *json.Encoder
	out *bufio.Reader
}

func startVercelFun(t *testing.T, bootstrap string, env ...string) (*vercelFun, *functiontest.Output) {
	t.Helper()
	dir := scripts(t)
	answers, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	printed := functiontest.NewOutput(t)
	cmd := exec.Command("node", filepath.Join(dir, "lambda-fun.mjs"))
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = printed, printed, []*os.File{theirs}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	f := &vercelFun{in: json.NewEncoder(in), out: bufio.NewReader(answers)}
	t.Cleanup(func() {
		in.Close() // the script ends its function, then itself
		if err := cmd.Wait(); err != nil {
			t.Errorf("lambda-fun.mjs: %v", err)
		}
		answers.Close()
	})
	variables := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		variables[name] = value
	}
	if err := f.in.Encode(map[string]any{"directory": filepath.Dir(bootstrap), "env": variables}); err != nil {
		t.Fatal(err)
	}
	return f, printed
}

// Invoke hands over one event.
func (f *vercelFun) Invoke(_ context.Context, event []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var line bytes.Buffer
	if err := json.Compact(&line, event); err != nil {
		return nil, err
	}
	if err := f.in.Encode(json.RawMessage(line.Bytes())); err != nil {
		return nil, err
	}
	text, err := f.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("@vercel/fun ended: %w", err)
	}
	var answer struct{ Result, Error string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Error == "" {
		return []byte(answer.Result), nil
	}
	var failed struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal([]byte(answer.Error), &failed); err != nil {
		return nil, errors.Join(err, errors.New(answer.Error))
	}
	return nil, &lambdatest.FunctionError{Type: failed.ErrorType, Message: failed.ErrorMessage, Payload: json.RawMessage(answer.Error)}
}
