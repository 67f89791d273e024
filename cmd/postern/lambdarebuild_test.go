package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallFunction is a bootstrap with no dependency: it returns its words for every event.
const smallFunction = `package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"function/words"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		event, err := http.Get(api + "next")
		if err != nil {
			os.Exit(1)
		}
		event.Body.Close()
		if words.Pause > 0 {
			fmt.Println("a pause begins")
			time.Sleep(words.Pause)
		}
		answer := fmt.Sprintf("{\"statusCode\":200,\"body\":%q}", words.Text)
		done, err := http.Post(api+event.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader(answer))
		if err != nil {
			os.Exit(1)
		}
		done.Body.Close()
	}
}
`

func wordsFile(text, pause string) string {
	return "package words\n\nimport \"time\"\n\nconst Text = \"" + text + "\"\n\nconst Pause time.Duration = " + pause + "\n"
}

// A notebook keeps what a process prints, for a test that reads it meanwhile.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// TestLambda_RebuildsOnChange runs the binary on a module and changes a package that the function imports: the new
// build takes over, a call that is running ends with the old one, and a change that does not compile changes nothing.
func TestLambda_RebuildsOnChange(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal to ask a process to end")
	}
	dir := filepath.Join(t.TempDir(), "function")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module function\n\ngo 1.26\n")
	write("main.go", smallFunction)
	write("words/words.go", wordsFile("one", "0"))

	cmd := exec.Command(buildBinary(t), "lambda", dir, "--addr", "127.0.0.1:0", "--event", "url", "--timeout", "60s", "--processes", "2")
	errs := &notebook{}
	cmd.Stderr = errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ends with %v: %s", err, errs)
		}
	}()
	reader := bufio.NewReader(stdout)
	url, err := reader.ReadString('\n')
	if err != nil {
		t.Fatalf("no URL: %v %s", err, errs)
	}
	url = strings.TrimSpace(url)
	printed := &notebook{}
	go func() { _, _ = reader.WriteTo(printed) }() // ends with the process

	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within a minute; stderr: %s", what, errs)
			}
		}
	}
	answer := func() string {
		t.Helper()
		status, body := ask(t, http.MethodGet, url+"/", "", "")
		if status != 200 {
			t.Fatalf("%d %s, stderr: %s", status, body, errs)
		}
		return body
	}
	if got := answer(); got != "one" {
		t.Fatalf("first build: %s", got)
	}

	write("words/words.go", wordsFile("two", "6 * time.Second"))
	until("a changed file", func() bool { return strings.Contains(errs.String(), "is built again") })
	slow := make(chan string, 1)
	go func() {
		_, body := ask(t, http.MethodGet, url+"/", "", "")
		slow <- body
	}()
	until("a slow call", func() bool { return strings.Contains(printed.String(), "a pause begins") })
	write("words/words.go", wordsFile("three", "0"))
	until("a second change", func() bool { return strings.Count(errs.String(), "is built again") == 2 })
	if got := answer(); got != "three" {
		t.Errorf("after the second change: %s", got)
	}
	if got := <-slow; got != "two" {
		t.Errorf("the running call answers %q", got)
	}

	write("words/more.go", "package words\n\nvar broken int = Text\n")
	until("a change that does not compile", func() bool { return strings.Contains(errs.String(), "the function before the change goes on") })
	if text := errs.String(); !strings.Contains(text, "more.go:3") {
		t.Errorf("the error of the compiler is not shown: %s", text)
	}
	if got := answer(); got != "three" {
		t.Errorf("after a broken change: %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "words/more.go")); err != nil {
		t.Fatal(err)
	}
	write("words/words.go", wordsFile("four", "0"))
	until("a repair", func() bool { return answer() == "four" })
}

// TestLambda_FilesOfABuild: what is watched is what a build reads, and nothing that cannot change.
func TestLambda_FilesOfABuild(t *testing.T) {
	folder, err := filepath.Abs(echo)
	if err != nil {
		t.Fatal(err)
	}
	files := filesOf(t.Context(), folder)
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{folder, filepath.Join(folder, "main.go"), filepath.Join(top, "go.mod"), filepath.Join(top, "go.sum")} {
		if files[want] == (stamped{}) {
			t.Errorf("%s is not watched", want)
		}
	}
	for path := range files {
		if !strings.HasPrefix(path, top+string(filepath.Separator)) {
			t.Errorf("%s is watched", path)
		}
	}
	absent := filesOf(t.Context(), filepath.Join(t.TempDir(), "absent"))
	if len(absent) != 1 {
		t.Errorf("%v", absent)
	}
}
