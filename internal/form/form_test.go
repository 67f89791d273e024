package form

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	others := url.Values{"state": {"x"}}
	for raw, want := range map[string]error{
		"":                               nil,
		"a=1&b=2":                        nil,
		"a":                              nil,
		"a=&b":                           nil,
		"name=J%C3%B6rg+M":               nil,
		"%61=1":                          nil,
		strings.Repeat("&", MaxFields-1): nil,
		strings.Repeat("&", MaxFields):   ErrTooMany,
		numbered(MaxFields - 1):          nil,
		numbered(MaxFields):              ErrTooMany, // with the one of others
		"a=1&a=2":                        ErrTwice,
		"a=1&%61=2":                      ErrTwice,
		"a=1&a=1":                        ErrTwice,
		"state=1":                        ErrTwice,
		"a=%":                            ErrEncoding,
		"a=%zz":                          ErrEncoding,
		"a=1;b=2":                        ErrEncoding,
		"a=%00":                          ErrText,
		"a=%0d%0ab":                      ErrText,
		"a=%7f":                          ErrText,
		"a=%c2%85":                       ErrText,
		"a=%ff":                          ErrText,
		"%0a=1":                          ErrText,
	} {
		if values, err := Parse(raw, others); !errors.Is(err, want) || (values == nil) != (want != nil) {
			t.Errorf("%.40q: %v, %v; want %v", raw, values, err, want)
		}
	}
	if v, err := Parse("a=1&b=x+y%26", nil); err != nil || v.Get("a") != "1" || v.Get("b") != "x y&" {
		t.Errorf("%v, %v", v, err)
	}
}

func numbered(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, "p"+strings.Repeat("i", i))
	}
	return strings.Join(parts, "&")
}

func TestRead(t *testing.T) {
	read := func(body string) (url.Values, error) {
		return Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), nil)
	}
	if v, err := read("a=" + strings.Repeat("x", MaxBody-2)); err != nil || len(v.Get("a")) != MaxBody-2 {
		t.Errorf("the largest body: %v", err)
	}
	var tooLarge *http.MaxBytesError
	if _, err := read("a=" + strings.Repeat("x", MaxBody-1)); !errors.As(err, &tooLarge) {
		t.Errorf("a larger body: %v", err)
	}
}
