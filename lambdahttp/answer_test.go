package lambdahttp_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// TestAnswer_Form: each sender gets the members it reads, and no others: API Gateway turns a malformed answer into a
// 502.
func TestAnswer_Form(t *testing.T) {
	for shape, want := range map[string]string{
		"rest":         `{"statusCode":201,"multiValueHeaders":{"Content-Type":["text/plain"],"Set-Cookie":["a=1; Path=/","b=2"],"Vary":["Origin","Cookie"]},"body":"h\"i\n","isBase64Encoded":false}`,
		"http-1.0":     `{"statusCode":201,"multiValueHeaders":{"Content-Type":["text/plain"],"Set-Cookie":["a=1; Path=/","b=2"],"Vary":["Origin","Cookie"]},"body":"h\"i\n","isBase64Encoded":false}`,
		"http-2.0":     `{"statusCode":201,"headers":{"Content-Type":"text/plain","Vary":"Origin, Cookie"},"cookies":["a=1; Path=/","b=2"],"body":"h\"i\n","isBase64Encoded":false}`,
		"function-url": `{"statusCode":201,"headers":{"Content-Type":"text/plain","Vary":"Origin, Cookie"},"cookies":["a=1; Path=/","b=2"],"body":"h\"i\n","isBase64Encoded":false}`,
		"alb":          `{"statusCode":201,"statusDescription":"201 Created","headers":{"Content-Type":"text/plain","Set-Cookie":"a=1; Path=/","set-Cookie":"b=2","Vary":"Origin, Cookie"},"body":"h\"i\n","isBase64Encoded":false}`,
		"alb-multi":    `{"statusCode":201,"statusDescription":"201 Created","multiValueHeaders":{"Content-Type":["text/plain"],"Set-Cookie":["a=1; Path=/","b=2"],"Vary":["Origin","Cookie"]},"body":"h\"i\n","isBase64Encoded":false}`,
	} {
		t.Run(shape, func(t *testing.T) {
			got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Add("Vary", "Origin")
				w.Header().Add("vary", "Cookie")
				w.Header().Add("Set-Cookie", "a=1; Path=/")
				w.Header().Add("Set-Cookie", "b=2")
				w.WriteHeader(http.StatusCreated)
				fmt.Fprint(w, "h\"i\n")
			})
			if got.raw != want {
				t.Errorf("got  %s\nwant %s", got.raw, want)
			}
		})
	}
}

// TestAnswer_NoHeaders: a load balancer that sends lists wants lists, whether or not it had any header to send.
func TestAnswer_NoHeaders(t *testing.T) {
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-A", "1") }), lambdahttp.Config{})
	for event, want := range map[string]string{
		`{"httpMethod":"GET","path":"/","multiValueHeaders":{},"requestContext":{"elb":{}}}`:                `"multiValueHeaders":{"X-A":["1"]}`,
		`{"httpMethod":"GET","path":"/","headers":{},"requestContext":{"elb":{}}}`:                          `"headers":{"X-A":"1"}`,
		`{"httpMethod":"GET","path":"/","headers":{},"multiValueHeaders":null,"requestContext":{"elb":{}}}`: `"headers":{"X-A":"1"}`,
	} {
		if got := invoke(t, f, []byte(event)); !strings.Contains(got.raw, want) {
			t.Errorf("%s: %s", event, got.raw)
		}
	}
}

// TestAnswer_SeveralCookies: none is lost, on any kind; where AWS promises nothing, the log says so, once.
func TestAnswer_SeveralCookies(t *testing.T) {
	var want []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 20 {
			http.SetCookie(w, &http.Cookie{Name: fmt.Sprintf("c%02d", i), Value: "v", Path: "/"})
		}
	})
	for i := range 20 {
		want = append(want, fmt.Sprintf("c%02d=v; Path=/", i))
	}
	eachShape(t, func(t *testing.T, shape string) {
		logger, lines := logs()
		f := function(t, h, lambdahttp.Config{Logger: logger})
		for range 3 {
			if got := invoke(t, f, sent{}.event(shape)).header()["Set-Cookie"]; !slices.Equal(got, want) {
				t.Errorf("cookies %q", got)
			}
		}
		warned := 0
		if shape == "alb" {
			warned = 1
		}
		if n := strings.Count(lines.String(), "lambda.multi_value_headers.enabled"); n != warned {
			t.Errorf("%d warnings, want %d:\n%s", n, warned, lines)
		}
	})
	// More than there are spellings is an error, not a loss.
	got := answered(t, "alb", func(w http.ResponseWriter, r *http.Request) {
		for i := range 600 {
			w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=v", i))
		}
	})
	if got.Status != 500 || len(got.header()["Set-Cookie"]) != 0 {
		t.Errorf("600 cookies: status %d, %d cookies", got.Status, len(got.header()["Set-Cookie"]))
	}
}

// TestAnswer_Binary: what is not text arrives byte for byte, and text is never encoded, whatever its type says.
func TestAnswer_Binary(t *testing.T) {
	var gz bytes.Buffer
	zip := gzip.NewWriter(&gz)
	fmt.Fprint(zip, "hello")
	zip.Close()
	eachShape(t, func(t *testing.T, shape string) {
		for _, c := range []struct {
			typ, encoding, body string
			base64              bool
		}{
			{"image/png", "", "\x89PNG\r\n\x1a\n\x00\xff", true},
			{"text/plain", "", "cut in the middle \xe2\x82", true},
			{"application/json", "gzip", gz.String(), true},
			{"text/plain", "br", "looks like text", true},
			{"text/plain", "identity", "is text", false},
			{"application/jwk-set+json", "", `{"keys":[]}`, false},
			{"application/octet-stream", "", "text after all ✓ \x00\x01\x1f\x7f\u2028", false},
		} {
			got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.typ)
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				io.WriteString(w, c.body)
			})
			if got.bytes(t) != c.body || got.Base64 != c.base64 {
				t.Errorf("%s %s: base64 %v, %q", c.typ, c.encoding, got.Base64, got.bytes(t))
			}
		}
	})
}

// TestAnswer_NoBody: answers to HEAD, 204 and 304 have none, and keep the headers that net/http would send.
func TestAnswer_NoBody(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/counted" {
				w.Header().Set("Content-Length", "11")
			}
			if n, err := io.WriteString(w, "<html>hello"); n != 11 || err != nil {
				t.Errorf("Write for a HEAD: %d, %v", n, err)
			}
		}), lambdahttp.Config{})
		for _, path := range []string{"/", "/counted"} {
			got := invoke(t, f, sent{method: "HEAD", path: path}.event(shape))
			if h := got.header(); got.Body != "" || strings.Count(got.raw, "Content-Length") != 1 || h.Get("Content-Length") != "11" || h.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("HEAD %s: %s", path, got.raw)
			}
		}
		for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
			got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"1"`)
				w.Header().Set("Content-Length", "5")
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(status)
				if _, err := io.WriteString(w, "hello"); err != http.ErrBodyNotAllowed {
					t.Errorf("%d: Write: %v", status, err)
				}
			})
			typed := ""
			if status == http.StatusNoContent { // net/http drops it from a 304 alone
				typed = "text/plain"
			}
			if h := got.header(); got.Status != status || got.Body != "" || h.Get("ETag") != `"1"` || h.Get("Content-Length") != "" || h.Get("Content-Type") != typed {
				t.Errorf("%d: %s", status, got.raw)
			}
		}
	})
}

// TestAnswer_ContentType is sniffed as net/http does, and not where the handler said something of it.
func TestAnswer_ContentType(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w http.ResponseWriter)
		want string
	}{
		"sniffed over all writes": {func(w http.ResponseWriter) { io.WriteString(w, "<ht"); io.WriteString(w, "ml>") }, "text/html; charset=utf-8"},
		"given":                   {func(w http.ResponseWriter) { w.Header().Set("Content-Type", "a/b"); io.WriteString(w, "<html>") }, "a/b"},
		"suppressed":              {func(w http.ResponseWriter) { w.Header()["Content-Type"] = nil; io.WriteString(w, "<html>") }, ""},
		"compressed":              {func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); io.WriteString(w, "\x1f\x8b") }, ""},
		"nothing written":         {func(w http.ResponseWriter) {}, ""},
		"too late":                {func(w http.ResponseWriter) { io.WriteString(w, "x"); w.Header().Set("Content-Type", "a/b") }, "text/plain; charset=utf-8"},
	} {
		if got := answered(t, "http-2.0", func(w http.ResponseWriter, r *http.Request) { c.do(w) }).header().Get("Content-Type"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAnswer_TooLarge: what Lambda or a load balancer would drop is a 500 that says so, in the log too; a handler is
// told, so that it need not go on.
func TestAnswer_TooLarge(t *testing.T) {
	for shape, limit := range map[string]int{"http-2.0": 6 << 20, "rest": 6 << 20, "alb": 1 << 20, "alb-multi": 1 << 20} {
		for name, c := range map[string]struct {
			chunk string
			times int
			ok    bool
		}{
			"fits":                    {strings.Repeat("a", 1<<10), limit>>10 - 1, true},
			"one byte too many":       {strings.Repeat("a", 1<<10), limit>>10 + 1, false},
			"too many when quoted":    {strings.Repeat("\n", 1<<10), limit >> 10 * 3 / 4, false},
			"too many when encoded":   {strings.Repeat("\xff", 1<<10), limit >> 10 * 7 / 8, false},
			"would never fit in here": {strings.Repeat("a", 1<<20), 64, false},
		} {
			logger, lines := logs()
			var failed error
			f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "session=secret")
				for range c.times {
					if _, err := io.WriteString(w, c.chunk); err != nil {
						failed = err
					}
				}
			}), lambdahttp.Config{Logger: logger})
			got := invoke(t, f, sent{}.event(shape))
			if c.ok && (got.Status != 200 || len(got.bytes(t)) != c.times<<10 || failed != nil) {
				t.Errorf("%s, %s: status %d, %v", shape, name, got.Status, failed)
			}
			if !c.ok && (got.Status != 500 || got.Body != "{\"error\":\"server_error\",\"error_description\":\"the answer is too large\"}\n" ||
				got.header().Get("Set-Cookie") != "" || !strings.Contains(lines.String(), "level=ERROR")) {
				t.Errorf("%s, %s: %.200s\n%s", shape, name, got.raw, lines)
			}
			if len(c.chunk)*c.times > limit && failed == nil {
				t.Errorf("%s, %s: no Write failed", shape, name)
			}
		}
	}
}
