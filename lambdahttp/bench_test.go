package lambdahttp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// BenchmarkInvoke is what the adapter costs for each kind: a request as browsers send it, an answer of two cookies
// and JSON.
func BenchmarkInvoke(b *testing.B) {
	f, err := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", Path: "/", HttpOnly: true})
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"message":"hello"}`)
	}), lambdahttp.Config{})
	if err != nil {
		b.Fatal(err)
	}
	request := sent{
		method: "POST", path: "/capture/space%20value", query: "repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa&empty=",
		header: []string{
			"Accept", "*/*", "Content-Length", "25", "Content-Type", "application/json", "User-Agent", "curl/8.7.1",
			"X-Amzn-Trace-Id", "Root=1-6a5145a9-1bae89e2512ec92d5d9438a0", "X-Forwarded-Port", "443", "X-Probe", "first", "X-Probe", "second",
		},
		cookies: []string{"session=abc123", "theme=dark"},
		body:    `{"message":"hello there"}`,
	}
	for _, shape := range shapes {
		event := request.event(shape)
		b.Run(shape, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Invoke(b.Context(), event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
