package js_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/js"
)

// maxModule is the most that the module may take, compressed with gzip: 3 KB of 1024 bytes.
const maxModule = 3 << 10

// TestSize: the file that a page loads, as it is in the repository, is at most 3 KB on the wire.
func TestSize(t *testing.T) {
	module, err := os.ReadFile("postern.js")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(module); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("postern.js: %d bytes, %d with gzip", len(module), packed.Len())
	if packed.Len() > maxModule {
		t.Errorf("postern.js is %d bytes with gzip, at most %d are allowed", packed.Len(), maxModule)
	}
}

// TestNoDependencies: the module imports nothing and evaluates no text. The package has no dependency and no script.
func TestNoDependencies(t *testing.T) {
	module, err := os.ReadFile("postern.js")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`\b(import|require|eval|Function|innerHTML|document)\b`).Find(module); found != nil {
		t.Errorf("postern.js has %q", found)
	}
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	var p map[string]json.RawMessage
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	for name := range p {
		if strings.Contains(strings.ToLower(name), "dependencies") || name == "scripts" {
			t.Errorf("package.json has %s", name)
		}
	}
	var files []string
	if err := json.Unmarshal(p["files"], &files); err != nil || string(p["type"]) != `"module"` {
		t.Errorf("files: %v, type %s", err, p["type"])
	}
	for _, named := range regexp.MustCompile(`"\./([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(named[1]); err != nil || !slices.Contains(files, named[1]) {
			t.Errorf("package.json names %s: %v, among files: %v", named[1], err, slices.Contains(files, named[1]))
		}
	}
}

func TestHandler(t *testing.T) {
	module, err := os.ReadFile("postern.js")
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	js.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/any/postern.js", nil))
	if rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), module) || rec.Header().Get("Content-Type") != "text/javascript; charset=utf-8" ||
		rec.Header().Get("Cache-Control") != "no-cache" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	r := httptest.NewRequest("GET", "/postern.js", nil)
	r.Header.Set("If-None-Match", rec.Header().Get("ETag"))
	rec = httptest.NewRecorder()
	js.Handler().ServeHTTP(rec, r)
	if rec.Code != 304 || rec.Body.Len() != 0 {
		t.Errorf("again: %d, %d bytes", rec.Code, rec.Body.Len())
	}
}

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("GET /postern.js", js.Handler())

	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest("GET", "/postern.js", nil))
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	// Output: 200 text/javascript; charset=utf-8
}
