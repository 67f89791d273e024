package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// runtime makes a function of a bootstrap, or of the folder of its main package. end stops its processes.
func (c lambdaCommand) runtime(ctx context.Context, path string, env []string, out io.Writer) (rt *lambdatest.Runtime, end func(), err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no bootstrap %s: name the program that goes into the zip, or the folder of its main package", calm(path))
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	name := filepath.Base(path)
	bootstrap, folder, remove := path, "", func() {}
	if info.IsDir() {
		if bootstrap, remove, err = buildBootstrap(ctx, path); err != nil {
			return nil, nil, err
		}
		folder = path
	} else if name == "bootstrap" { // they all are called so
		name = filepath.Base(filepath.Dir(path))
	}
	rt, err = lambdatest.NewRuntime(lambdatest.RuntimeConfig{
		Bootstrap: bootstrap, Dir: folder, Env: env, Name: name, Output: out, OnReport: reported(name, out),
		Timeout: time.Duration(c.Timeout), Memory: c.Memory, Concurrency: c.Processes,
	})
	if err != nil {
		remove()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return rt, func() { rt.Close(); remove() }, nil
}

// buildBootstrap builds a main package as for Lambda, but for this machine.
func buildBootstrap(ctx context.Context, folder string) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "postern-lambda-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, "bootstrap")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", path, ".")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		remove()
		if len(text) > 0 {
			return "", nil, fmt.Errorf("building %s:\n%s", folder, strings.TrimSpace(string(text)))
		}
		return "", nil, fmt.Errorf("building %s: %w; build it yourself and name the bootstrap", folder, err)
	}
	return path, remove, nil
}

// functionEnv reads --env: NAME=VALUE, or the NAME of a variable to pass on.
func functionEnv(flags []string) ([]string, error) {
	var env []string
	for _, flag := range flags {
		name, _, set := strings.Cut(flag, "=")
		if name == "" {
			return nil, usagef("--env %q: want NAME=VALUE, or NAME to pass on a variable", flag)
		}
		if !set {
			value, here := os.LookupEnv(name)
			if !here {
				return nil, usagef("--env %s: no such variable is set here; give NAME=VALUE", name)
			}
			flag = name + "=" + value
		}
		env = append(env, flag)
	}
	return env, nil
}
