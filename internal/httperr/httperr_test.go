package httperr

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, http.StatusBadRequest, "invalid_request", "say \"please\"\r\nSet-Cookie: a=b\x1b[31m")
	if w.Code != 400 {
		t.Errorf("status = %d", w.Code)
	}
	want := `{"error":"invalid_request","error_description":"say _please___Set-Cookie: a=b_[31m"}` + "\n"
	if got := w.Body.String(); got != want {
		t.Errorf("body = %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestMethodAndUnavailable(t *testing.T) {
	w := httptest.NewRecorder()
	Method(w, "GET", "HEAD")
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d Allow %q", w.Code, w.Header().Get("Allow"))
	}
	for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		w = httptest.NewRecorder()
		Unavailable(w, after, "store")
		if w.Code != 503 || w.Header().Get("Retry-After") != want {
			t.Errorf("%v: %d Retry-After %q, want %s", after, w.Code, w.Header().Get("Retry-After"), want)
		}
		w = httptest.NewRecorder()
		Limited(w, after, "too often")
		if body := w.Body.String(); w.Code != 429 || w.Header().Get("Retry-After") != want || body != `{"error":"rate_limited","error_description":"too often"}`+"\n" {
			t.Errorf("%v: %d Retry-After %q, want %s: %s", after, w.Code, w.Header().Get("Retry-After"), want, body)
		}
	}
}

func TestMediaType(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{"application/json"}, "application/json"},
		{[]string{"Application/JSON; charset=utf-8"}, "application/json"},
		{[]string{"text/plain", "application/json"}, ""},
		{[]string{"application/json;;;="}, ""},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["Content-Type"] = c.values
		if got := MediaType(r); got != c.want {
			t.Errorf("%q: %q, want %q", c.values, got, c.want)
		}
	}
}

func TestHarden(t *testing.T) {
	plain, secure := http.Header{}, http.Header{}
	Harden(plain, false)
	Harden(secure, true)
	if plain.Get("Strict-Transport-Security") != "" || secure.Get("Strict-Transport-Security") == "" {
		t.Error("HSTS does not follow https")
	}
	for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "Cross-Origin-Opener-Policy"} {
		if secure.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
}
