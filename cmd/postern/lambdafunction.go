package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// function makes a function of a bootstrap, or of the folder of its main package, which is built again when it changes.
// end stops its processes.
func (c lambdaCommand) function(ctx context.Context, path string, env []string, out, progress io.Writer) (f lambdatest.Function, end func(), err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no bootstrap %s: name the program that goes into the zip, or the folder of its main package", calm(path))
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	cfg := lambdatest.RuntimeConfig{
		Bootstrap: path, Env: env, Name: filepath.Base(path), Output: out,
		Timeout: time.Duration(c.Timeout), Memory: c.Memory, Concurrency: c.Processes,
	}
	if !info.IsDir() && cfg.Name == "bootstrap" { // they all are called so
		cfg.Name = filepath.Base(filepath.Dir(path))
	}
	cfg.OnReport = reported(cfg.Name, out)
	if !info.IsDir() {
		rt, err := lambdatest.NewRuntime(cfg)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		return rt, func() { rt.Close() }, nil
	}
	cfg.Dir = path
	b := &built{folder: path, cfg: cfg, progress: progress}
	// The files are looked at first: a change during the build is then seen after it.
	before := filesOf(ctx, path)
	if err := b.build(ctx); err != nil {
		return nil, nil, err
	}
	if !c.Rebuild {
		return b, b.close, nil
	}
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); b.watch(ctx, before) }()
	return b, func() { stop(); <-watched; b.close() }, nil
}

// buildBootstrap builds a main package as for Lambda, for this machine.
func buildBootstrap(ctx context.Context, folder string, progress io.Writer) (path string, remove func(), err error) {
	if err := checkMain(ctx, folder); err != nil {
		return "", nil, err
	}
	fmt.Fprintf(progress, "postern: building %s\n", calm(folder))
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

// checkMain refuses a folder without a program: go build makes an archive of any other package, which nothing can run.
func checkMain(ctx context.Context, folder string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-f", "{{.Name}} {{.ImportPath}}", ".")
	cmd.Dir = folder
	text, err := cmd.Output()
	if err != nil {
		return nil // go build says why
	}
	name, path, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	switch name {
	case "main":
		return nil
	case "":
		return fmt.Errorf("%s has no Go package: name the folder of a main package, or the bootstrap", calm(folder))
	}
	return fmt.Errorf("%s is package %s (%s), which is not a program: name the folder of its main package", calm(folder), name, path)
}

// functionEnv reads --env-file, and --env: NAME=VALUE, or the NAME of a variable to pass on. The last value of a name
// counts.
func functionEnv(files, flags []string) ([]string, error) {
	var env []string
	set := func(name, value string) {
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		env = append(env, name+"="+value)
	}
	for _, path := range files {
		list, err := readEnvFile(path)
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			set(v.name, v.value)
		}
	}
	for _, flag := range flags {
		name, value, given := strings.Cut(flag, "=")
		if name == "" {
			return nil, usagef("--env %q: want NAME=VALUE, or NAME to pass on a variable", flag)
		}
		if !given {
			var here bool
			if value, here = os.LookupEnv(name); !here {
				return nil, usagef("--env %s: no such variable is set here; give NAME=VALUE", name)
			}
		}
		set(name, value)
	}
	return env, nil
}
