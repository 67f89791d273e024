package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// built is the function of a main package. A build that succeeds takes the place of the one before; calls that are
// running end where they began.
type built struct {
	folder   string
	cfg      lambdatest.RuntimeConfig // all but Bootstrap
	progress io.Writer

	mu      sync.Mutex
	now     *generation
	retired sync.WaitGroup
}

// A generation is one build.
type generation struct {
	*lambdatest.Runtime
	calls  sync.WaitGroup
	remove func()
}

// Invoke calls the newest build.
func (b *built) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	b.mu.Lock()
	g := b.now
	g.calls.Add(1) // under the lock: a retired generation gets no more calls
	b.mu.Unlock()
	defer g.calls.Done()
	return g.Runtime.Invoke(ctx, payload)
}

// build builds the folder and puts the result into place.
func (b *built) build(ctx context.Context) error {
	bootstrap, remove, err := buildBootstrap(ctx, b.folder, b.progress)
	if err != nil {
		return err
	}
	cfg := b.cfg
	cfg.Bootstrap = bootstrap
	rt, err := lambdatest.NewRuntime(cfg)
	if err != nil {
		remove()
		return fmt.Errorf("%s: %w", b.folder, err)
	}
	b.mu.Lock()
	old := b.now
	b.now = &generation{Runtime: rt, remove: remove}
	b.mu.Unlock()
	if old != nil {
		b.retired.Go(func() {
			old.calls.Wait()
			old.end()
		})
	}
	return nil
}

func (g *generation) end() {
	g.Close()
	g.remove()
}

// close ends all processes. There are no calls any more.
func (b *built) close() {
	b.now.end()
	b.retired.Wait()
}

// pollEvery is how often the files are looked at.
const pollEvery = 300 * time.Millisecond

// watch builds again when the files are others than before, until the context ends. A build that fails is shown, and
// the function stays as it is.
func (b *built) watch(ctx context.Context, before map[string]stamped) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	changed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look(before)
		if !maps.Equal(now, before) { // an editor, or a branch that is checked out, may not be done yet
			before, changed = now, true
			continue
		}
		if !changed {
			continue
		}
		changed = false
		before = filesOf(ctx, b.folder)
		switch err := b.build(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			fmt.Fprintf(b.progress, "postern: %v\npostern: the function before the change goes on\n", err)
		default:
			fmt.Fprintf(b.progress, "postern: %s is built again\n", calm(filepath.Base(b.folder)))
		}
	}
}

// stamped is what changes when a file does.
type stamped struct {
	at   time.Time
	size int64
}

// look returns the state of files and folders now. One that is not there has the zero state.
func look(files map[string]stamped) map[string]stamped {
	now := make(map[string]stamped, len(files))
	for path := range files {
		now[path] = state(path)
	}
	return now
}

func state(path string) stamped {
	info, err := os.Stat(path)
	if err != nil {
		return stamped{}
	}
	return stamped{info.ModTime(), info.Size()}
}

// A goPackage is a package as go list prints it.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct{ GoMod string }

	GoFiles, CgoFiles, CFiles, CXXFiles, HFiles, SFiles, EmbedFiles, IgnoredGoFiles []string
}

// filesOf returns the state of what a build of the folder reads: the files of its package and of those that it imports,
// their folders, in which files can be new, and go.mod and go.sum. The standard library and modules in the cache of Go
// do not change.
func filesOf(ctx context.Context, folder string) map[string]stamped {
	files := map[string]stamped{}
	add := func(paths ...string) {
		for _, path := range paths {
			files[path] = state(path)
		}
	}
	add(folder) // also where go list finds no package
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-tags", "lambda.norpc",
		"-json=Dir,Standard,Module,GoFiles,CgoFiles,CFiles,CXXFiles,HFiles,SFiles,EmbedFiles,IgnoredGoFiles", ".")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	text, _ := cmd.Output() // what it prints in spite of an error counts
	for list := json.NewDecoder(bytes.NewReader(text)); ; {
		var p goPackage
		if list.Decode(&p) != nil { // the end
			return files
		}
		if p.Standard || p.Dir == "" || p.Module != nil && strings.Contains(filepath.ToSlash(p.Module.GoMod), "/cache/download/") {
			continue
		}
		add(p.Dir)
		for _, names := range [][]string{p.GoFiles, p.CgoFiles, p.CFiles, p.CXXFiles, p.HFiles, p.SFiles, p.EmbedFiles, p.IgnoredGoFiles} {
			for _, name := range names {
				add(filepath.Join(p.Dir, name))
			}
		}
		if p.Module != nil {
			add(p.Module.GoMod, filepath.Join(filepath.Dir(p.Module.GoMod), "go.sum"))
		}
	}
}
