package lambdatest

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkGateway is one request whose authorizer's result is in the cache: the price of a test with many requests.
func BenchmarkGateway(b *testing.B) {
	g, _ := api(b, Config{Type: REST}, &LambdaAuthorizer{Function: &recorder{out: policyResult(statements("Allow *"), "")}})
	r := request("GET", "/prod/a", "", "Authorization: t")
	for b.Loop() {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkRuntime is one warm invocation of a process.
func BenchmarkRuntime(b *testing.B) {
	rt := newRuntime(b, RuntimeConfig{})
	for b.Loop() {
		if _, err := rt.Invoke(b.Context(), []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
	}
}
