package lambdahttp_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// TestPeerDefects: each of these was seen to go wrong in an adapter that people use. One subtest, one defect.
func TestPeerDefects(t *testing.T) {
	t.Run("the last status wins", func(t *testing.T) {
		eachShape(t, func(t *testing.T, shape string) {
			got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401); w.WriteHeader(200) })
			if got.Status != 401 {
				t.Errorf("status %d", got.Status)
			}
		})
	})
	t.Run("a handler that writes nothing is an error", func(t *testing.T) {
		eachShape(t, func(t *testing.T, shape string) {
			if got := answered(t, shape, func(http.ResponseWriter, *http.Request) {}); got.Status != 200 || got.Body != "" {
				t.Errorf("%s", got.raw)
			}
		})
	})
	t.Run("a decoded percent sign is an error", func(t *testing.T) {
		if got := see(t, lambdahttp.Config{}, sent{path: "/a%25b"}.event("http-2.0")); got.Path != "/a%b" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a decoded question mark injects a query", func(t *testing.T) {
		got := see(t, lambdahttp.Config{}, sent{path: "/a%3Fadmin=1", query: "b=2"}.event("http-2.0"))
		if values, _ := url.ParseQuery(got.Query); values.Has("admin") || values.Get("b") != "2" || got.Path != "/a?admin=1" || strings.Contains(got.URI, "?admin") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a decoded hash cuts the path", func(t *testing.T) {
		if got := see(t, lambdahttp.Config{}, sent{path: "/a%23b", query: "c=1"}.event("http-2.0")); got.Path != "/a#b" || got.Query != "c=1" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("an encoded slash is lost", func(t *testing.T) {
		if got := see(t, lambdahttp.Config{}, sent{path: "/a%2Fb"}.event("function-url")); got.Escaped != "/a%2Fb" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the stage stays in the path", func(t *testing.T) {
		if got := see(t, lambdahttp.Config{}, sent{stage: "dev", path: "/dev/a"}.event("http-2.0")); got.Path != "/a" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the stage is cut by its length", func(t *testing.T) {
		if got := see(t, lambdahttp.Config{}, sent{stage: "dev", path: "/users/1", domain: "api.example.com"}.event("http-2.0")); got.Path != "/users/1" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("cookies are dropped, doubled or many headers", func(t *testing.T) {
		for _, shape := range []string{"http-2.0", "function-url"} {
			got := see(t, lambdahttp.Config{}, sent{cookies: []string{"a=1", "b=2"}}.event(shape))
			if !slices.Equal(got.Header["Cookie"], []string{"a=1; b=2"}) {
				t.Errorf("%s: %q", shape, got.Header["Cookie"])
			}
		}
	})
	t.Run("the client chooses its address", func(t *testing.T) {
		for _, shape := range []string{"alb", "alb-multi"} {
			got := see(t, lambdahttp.Config{}, sent{header: []string{"X-Forwarded-For", "198.51.100.66, 203.0.113.9"}}.event(shape))
			if got.Remote != "203.0.113.9:0" {
				t.Errorf("%s: %q", shape, got.Remote)
			}
		}
	})
	t.Run("host and address are empty", func(t *testing.T) {
		for _, shape := range []string{"alb", "alb-multi"} {
			if got := see(t, lambdahttp.Config{}, sent{domain: "lb.example.com"}.event(shape)); got.Host != "lb.example.com" || got.Remote == "" {
				t.Errorf("%s: %+v", shape, got)
			}
		}
	})
	t.Run("the address has no port", func(t *testing.T) {
		eachShape(t, func(t *testing.T, shape string) {
			if _, _, err := net.SplitHostPort(see(t, lambdahttp.Config{}, sent{}.event(shape)).Remote); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("a query is encoded twice", func(t *testing.T) {
		for _, shape := range []string{"alb", "alb-multi"} {
			got := see(t, lambdahttp.Config{}, sent{query: "redirect_uri=https%3A%2F%2Fa.example%2Fb"}.event(shape))
			if got.Query != "redirect_uri=https%3A%2F%2Fa.example%2Fb" {
				t.Errorf("%s: %q", shape, got.Query)
			}
		}
	})
	t.Run("a load balancer without multi-value headers fails", func(t *testing.T) {
		got := see(t, lambdahttp.Config{}, sent{header: []string{"X-A", "1"}}.event("alb"))
		back := answered(t, "alb", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			w.Header().Set("X-B", "2")
		}).header()
		if got.Header.Get("X-A") != "1" || back.Get("X-B") != "2" || len(back["Set-Cookie"]) != 2 {
			t.Errorf("%+v, %v", got, back)
		}
	})
	t.Run("a gzip body is corrupted", func(t *testing.T) {
		eachShape(t, func(t *testing.T, shape string) {
			got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				zip := gzip.NewWriter(w)
				fmt.Fprint(zip, "hello")
				zip.Close()
			})
			zip, err := gzip.NewReader(bytes.NewReader([]byte(got.bytes(t))))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(zip); err != nil || string(plain) != "hello" {
				t.Errorf("%q, %v", plain, err)
			}
		})
	})
	t.Run("header values are split at commas", func(t *testing.T) {
		const date, accept = "Wed, 21 Oct 2015 07:28:00 GMT", "text/html,application/xhtml+xml,*/*;q=0.8"
		eachShape(t, func(t *testing.T, shape string) {
			got := see(t, lambdahttp.Config{}, sent{header: []string{"If-Modified-Since", date, "Accept", accept, "X-Custom", "a,b"}}.event(shape)).Header
			if !slices.Equal(got["If-Modified-Since"], []string{date}) || !slices.Equal(got["Accept"], []string{accept}) || !slices.Equal(got["X-Custom"], []string{"a,b"}) {
				t.Errorf("%q", got)
			}
		})
	})
	t.Run("a panic ends the process or is lost", func(t *testing.T) {
		logger, lines := logs()
		f := function(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }), lambdahttp.Config{Logger: logger})
		if got := invoke(t, f, sent{}.event("http-2.0")); got.Status != 500 || !strings.Contains(lines.String(), "boom") {
			t.Errorf("%s\n%s", got.raw, lines)
		}
	})
	t.Run("JSON of a vendor's media type is sent as base64", func(t *testing.T) {
		got := answered(t, "rest", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/jwk-set+json")
			io.WriteString(w, `{"keys":[]}`)
		})
		if got.Base64 || got.Body != `{"keys":[]}` {
			t.Errorf("%s", got.raw)
		}
	})
	t.Run("payload 2.0 is answered with multiValueHeaders", func(t *testing.T) {
		got := answered(t, "http-2.0", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
		})
		if got.Multi != nil || !slices.Equal(got.Cookies, []string{"a=1", "b=2"}) || got.Single["Set-Cookie"] != "" {
			t.Errorf("%s", got.raw)
		}
	})
	t.Run("a request context comes from a header", func(t *testing.T) {
		f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ev, ok := lambdahttp.From(r.Context()); !ok || ev.RequestID != "JKJaXmPLvHcESHA=" {
				t.Errorf("%+v", ev)
			}
		}), lambdahttp.Config{})
		invoke(t, f, sent{header: []string{"X-GoLambdaProxy-ApiGw-Context", `{"requestId":"EVIL"}`}}.event("http-2.0"))
		if _, ok := lambdahttp.From(httptest.NewRequest("GET", "/", nil).Context()); ok {
			t.Error("a request over a connection has an event")
		}
	})
	t.Run("production code links what tests and other routers need", func(t *testing.T) {
		out, err := exec.Command("go", "list", "-deps", "-tags", "lambda.norpc", ".").CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for dep := range strings.Lines(string(out)) {
			dep = strings.TrimSpace(dep)
			third := strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") && !strings.HasPrefix(dep, "github.com/posternauth/postern/") &&
				!strings.HasPrefix(dep, "github.com/aws/aws-lambda-go/lambda")
			if third || dep == "net/http/httptest" || dep == "testing" || dep == "html/template" || dep == "github.com/aws/aws-lambda-go/events" {
				t.Errorf("lambdahttp links %s", dep)
			}
		}
	})
}
