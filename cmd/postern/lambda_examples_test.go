package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestLambda_Examples runs the one command that the README of an example of a function shows, in the root of the
// repository as a reader does, but on a port that is free.
func TestLambda_Examples(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a POSIX shell, which Windows does not have")
	}
	const root, start = "../..", "go run ./cmd/postern lambda "
	answers := map[string]map[string]int{ // of some paths
		"lambda-http":       {"/": 200, "/auth/link/authorize": 200, "/api/me": 401, "/nowhere": 404},
		"lambda-authorizer": {"/health": 200, "/orders": 401},
		"jwt-authorizer":    {"/auth": 200, "/auth/.well-known/jwks.json": 200, "/api/me": 401},
		"auth0-authorizer":  {"/api/public": 200, "/api/private": 401},
	}
	binary := buildBinary(t)
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			args, is := strings.CutPrefix(strings.TrimSpace(line), start)
			if !is {
				continue
			}
			ran++
			t.Run(name, func(t *testing.T) {
				if len(answers[name]) == 0 {
					t.Fatal("no answers are known of this example: add them")
				}
				args = strings.ReplaceAll(args, "/token -public", "/token -public -key "+filepath.Join(t.TempDir(), "key.pem"))
				cmd := exec.Command("sh", "-c", "exec "+binary+" lambda --addr 127.0.0.1:0 --timeout 30s "+args)
				cmd.Dir = root
				var errs bytes.Buffer
				cmd.Stderr = &errs
				stdout, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				out := bufio.NewReader(stdout)
				url, err := out.ReadString('\n')
				if err != nil {
					_ = cmd.Wait()
					t.Fatalf("no URL: %s", errs.String())
				}
				printed := make(chan string, 1)
				go func() {
					rest, _ := io.ReadAll(out)
					printed <- string(rest)
				}()
				for path, want := range answers[name] {
					if status, body := ask(t, "GET", strings.TrimSpace(url)+path, "", ""); status != want {
						t.Errorf("%s: %d %s, want %d", path, status, body, want)
					}
				}
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				rest := <-printed
				if err := cmd.Wait(); err != nil || t.Failed() {
					t.Errorf("%v\n%s%s", err, rest, errs.String())
				}
			})
		}
	}
	if ran != len(answers) {
		t.Errorf("%d commands were run, want %d", ran, len(answers))
	}
}
