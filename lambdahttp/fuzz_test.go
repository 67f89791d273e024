package lambdahttp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posternauth/postern/lambdahttp"
)

// echo answers with what it got, so that hostile input travels both ways.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		panic(fmt.Sprintf("a body of %d bytes, said to be %d: %v", len(body), r.ContentLength, err))
	}
	if r.URL.Path == "" || r.URL.Path[0] != '/' || r.RemoteAddr == "" || r.Header == nil {
		panic(fmt.Sprintf("no proper request: %q from %q", r.URL.Path, r.RemoteAddr))
	}
	// What is written out must read back as the same request.
	if strings.ContainsAny(r.RequestURI, " \r\n") {
		panic("RequestURI is more than one word")
	}
	if u, err := url.ParseRequestURI(r.RequestURI); err != nil || u.Path != r.URL.Path || u.RawQuery != r.URL.RawQuery || u.Host != "" {
		panic(fmt.Sprintf("RequestURI %q reads back as %v, %v", r.RequestURI, u, err))
	}
	ev, ok := lambdahttp.From(r.Context())
	if !ok {
		panic("no event")
	}
	_ = ev.AuthorizerContext()
	for name, values := range r.Header {
		for _, v := range values {
			if strings.ContainsAny(name+v, "\r\n\x00") {
				panic("a header of more than one line")
			}
			w.Header().Add(name, v)
			w.Header().Add("Set-Cookie", v)
			w.Header().Add(v, name)
		}
	}
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Query", r.URL.RawQuery)
	w.Write(body)
}

// check holds what is true of every event: an answer the gateway takes, or an error. A 500 would be the client's doing.
func check(t *testing.T, f *lambdahttp.Function, event []byte) {
	out, err := f.Invoke(t.Context(), event)
	if err != nil {
		if !errors.Is(err, lambdahttp.ErrNotHTTP) || out != nil {
			t.Fatalf("%v, with %s", err, out)
		}
		return
	}
	var r struct {
		Status  int                 `json:"statusCode"`
		Single  map[string]string   `json:"headers"`
		Multi   map[string][]string `json:"multiValueHeaders"`
		Cookies []string            `json:"cookies"`
		Body    *string             `json:"body"`
		Base64  *bool               `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(out, &r); err != nil || !utf8.Valid(out) {
		t.Fatalf("the answer is no JSON: %v\n%s", err, out)
	}
	if r.Status != 200 && r.Status != 400 || r.Body == nil || r.Base64 == nil {
		t.Fatalf("%s", out)
	}
	for name, v := range r.Single {
		if !valid(name, v) {
			t.Fatalf("header %q: %q", name, v)
		}
	}
	for _, v := range r.Cookies {
		if !valid("Set-Cookie", v) {
			t.Fatalf("cookie %q", v)
		}
	}
	for name, values := range r.Multi {
		for _, v := range values {
			if !valid(name, v) {
				t.Fatalf("header %q: %q", name, v)
			}
		}
	}
}

func valid(name, value string) bool {
	return name != "" && !strings.ContainsAny(name, " \t\r\n:\x00") && !strings.ContainsAny(value, "\r\n\x00")
}

// FuzzEvent: no event makes the function panic, and none that a client can cause makes it fail.
func FuzzEvent(f *testing.F) {
	for _, shape := range shapes {
		f.Add(sent{}.event(shape))
		f.Add(sent{method: "POST", path: "/a%2Fb", query: "a=b&a=c", header: []string{"X-A", "1"}, cookies: []string{"a=b"}, body: "AAH/", encoded: true}.event(shape))
		f.Add(sent{stage: "dev", path: "/dev/x", domain: "api.example.com", resource: "/{proxy+}", params: map[string]string{"proxy": "x"}}.event(shape))
	}
	for _, event := range samples(f) {
		if len(event) < 4<<10 {
			f.Add(event)
		}
	}
	fn := function(f, http.HandlerFunc(echo), lambdahttp.Config{StripPath: "/v1"})
	f.Fuzz(func(t *testing.T, event []byte) { check(t, fn, event) })
}

// FuzzRequest: the same for whatever a client may write into the places of a request, as each platform passes it on.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a%2Fb", "a=b&c=%zz", "X-A", "1", "a=b; c=d", "body", "203.0.113.9")
	f.Add("POST", "//evil", "a=b#c d", "Host", "a,b", "a=\"b\"", "\x00\xff", "::1")
	f.Add("OPTIONS", "*", "", "Transfer-Encoding", "chunked\r\nX: y", "", "%%", "x, y")
	fn := function(f, http.HandlerFunc(echo), lambdahttp.Config{})
	f.Fuzz(func(t *testing.T, method, path, query, name, value, cookie, body, address string) {
		s := sent{method: method, path: path, query: query, header: []string{name, value, "X-Forwarded-For", address}, body: body}
		if cookie != "" {
			s.cookies = strings.Split(cookie, "; ")
		}
		for _, shape := range shapes {
			check(t, fn, s.event(shape))
			s.encoded = !s.encoded
		}
	})
}
