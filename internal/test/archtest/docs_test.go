package archtest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// documents returns the Markdown files of the repository by their path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			docs[filepath.ToSlash(rel)] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) < 5 {
		t.Fatalf("only %d documents found: the walk is wrong", len(docs))
	}
	return docs
}

// fence is a fenced code block: ```lang, its first line in the file, and its text.
type fence struct {
	lang string
	line int
	text string
}

func fences(doc string) []fence {
	var all []fence
	var open *fence
	for i, line := range strings.Split(doc, "\n") {
		lang, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &fence{lang: strings.TrimSpace(lang), line: i + 2}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return all
}

// TestDocs_ProgramsCompile vets every Go program that a document shows. A block of ```go is a whole file; a piece of
// one is marked ```go fragment, and a file that belongs beside others ```go FILE: see TestDocs_QuickStart.
func TestDocs_ProgramsCompile(t *testing.T) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	var packages []string
	dir := t.TempDir()
	absolute, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	where := map[string]string{}
	for name, doc := range documents(t) {
		for _, f := range fences(doc) {
			if f.lang != "go" {
				continue
			}
			if !strings.HasPrefix(f.text, "package ") && !strings.Contains(f.text, "\npackage ") {
				t.Errorf("%s:%d: a block of Go is a whole file, or is marked `go fragment`", name, f.line)
				continue
			}
			pkg := fmt.Sprintf("snippet%d", len(packages))
			file := filepath.Join(dir, pkg+".go")
			if err := os.WriteFile(file, []byte(f.text), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay.Replace[filepath.Join(absolute, pkg, "main.go")] = file
			packages = append(packages, "./"+pkg)
			where[pkg] = fmt.Sprintf("%s:%d", name, f.line)
		}
	}
	if len(packages) == 0 {
		t.Fatal("no Go program in any document: this test would test nothing")
	}
	data, _ := json.Marshal(overlay)
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	// go build, not go vet: vet reads the files itself and does not know the overlay.
	for _, p := range packages {
		if out, err := exec.Command("go", "build", "-overlay", path, "-o", os.DevNull, p).CombinedOutput(); err != nil {
			t.Errorf("%s does not compile: %v\n%s", where[p[2:]], err, out)
		}
	}
}

// TestDocs_QuickStart does what docs/quick-start.md says: it makes the folder and the module, copies the program, puts
// the test where the page puts it, and runs it. Only the version of Postern is this one instead of a released one.
func TestDocs_QuickStart(t *testing.T) {
	const page = "docs/quick-start.md"
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(root, "examples/quickstart/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	doc := documents(t)[page]
	if !strings.Contains(doc, "mkdir hello && cd hello && go mod init hello") {
		t.Fatalf("%s makes another folder or module than this test does", page)
	}
	dir := filepath.Join(t.TempDir(), "hello")
	files := map[string]string{"main.go": string(program), "go.sum": string(sums)}
	tests := 0
	for _, f := range fences(doc) {
		if name, ok := strings.CutPrefix(f.lang, "go "); ok && name != "fragment" {
			files[name] = f.text
			tests++
		}
	}
	if tests != 1 {
		t.Fatalf("%s shows %d files that belong beside main.go, want one test", page, tests)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("mod", "init", "hello")
	run("mod", "edit", "-require", module+"@v0.0.0", "-replace", module+"="+repository)
	run("vet", ".")
	out := run("test", "-v", ".")
	for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(files["main_test.go"], -1) {
		if !strings.Contains(out, "--- PASS: "+m[1]) {
			t.Errorf("%s did not run:\n%s", m[1], out)
		}
	}
}

var (
	link    = regexp.MustCompile(`(?:\]\(|<img src=")([^)"\s]+)[)"]`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// TestDocs_LinksLead checks that every relative link of a document, and every picture, leads to a file, and its
// fragment to a heading.
func TestDocs_LinksLead(t *testing.T) {
	docs := documents(t)
	for name, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(doc, -1) {
			to := m[1]
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(to, "#")
			target := name
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, to)
				continue
			}
			if fragment != "" && !anchors(docs[target])[fragment] {
				t.Errorf("%s links to %s, but there is no such heading", name, to)
			}
		}
	}
}

var notAnchor = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)

// anchors are the fragments that GitHub gives the headings of a document.
func anchors(doc string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(doc, -1) {
		text := notAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		all[strings.ReplaceAll(text, " ", "-")] = true
	}
	return all
}

// TestDocs_ReadmeProgram: the first program of the README is the quick start, letter for letter; its Example runs it.
func TestDocs_ReadmeProgram(t *testing.T) {
	program, err := os.ReadFile(filepath.Join(root, "examples/quickstart/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fences(documents(t)["README.md"]) {
		if f.lang == "go" {
			if f.text != string(program) {
				t.Error("the program in README.md is not examples/quickstart/main.go: copy it over")
			}
			return
		}
	}
	t.Error("README.md shows no program")
}
