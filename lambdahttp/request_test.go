package lambdahttp_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// overHTTP sends the request to net/http and returns what a handler sees there.
func overHTTP(t *testing.T, s sent) (got seen) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = look(r) }))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := s.path
	if s.query != "" {
		target += "?" + s.query
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: api.example.com\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n", s.method, target)
	for i := 0; i < len(s.header); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", s.header[i], s.header[i+1])
	}
	if len(s.cookies) > 0 {
		fmt.Fprintf(conn, "Cookie: %s\r\n", strings.Join(s.cookies, "; "))
	}
	if s.body != "" {
		fmt.Fprintf(conn, "Content-Length: %d\r\n", len(s.body))
	}
	fmt.Fprintf(conn, "\r\n%s", s.body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("net/http answers %d: the test sends nonsense", resp.StatusCode)
	}
	return got
}

// TestRequest_SameAsNetHTTP: a handler behind any platform sees what it sees behind net/http.
func TestRequest_SameAsNetHTTP(t *testing.T) {
	for _, s := range []sent{
		{method: "GET", path: "/"},
		{method: "GET", path: "/a/b/", query: "a=1&b=2"},
		{method: "DELETE", path: "/users/u%201"},
		{method: "POST", path: "/capture/space%20value", query: "a=1&a=2&empty=&plus=a%2Bb&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb", body: `{"unicode":"λ"}`,
			header: []string{"Content-Type", "application/json", "Accept", "a, b", "X-One", "1"}, cookies: []string{"session=abc", "theme=dark"}},
		{method: "PUT", path: "/upload", body: "\x00\xff\xfe\x80", header: []string{"Content-Type", "application/octet-stream"}},
		{method: "GET", path: "//evil.example/x"},
		{method: "GET", path: "/a/../b/./c"},
		{method: "GET", path: "/caf%C3%A9/%E4%B8%96"},
		{method: "HEAD", path: "/x"},
		{method: "OPTIONS", path: "/x", header: []string{"Origin", "https://app.example.com"}},
		{method: "PROPFIND", path: "/x"},
	} {
		t.Run(s.method+" "+s.path, func(t *testing.T) {
			want := overHTTP(t, s)
			eachShape(t, func(t *testing.T, shape string) {
				event := s
				event.domain = "api.example.com"
				if s.body != "" {
					event.header = append(slices.Clip(event.header), "Content-Length", fmt.Sprint(len(s.body)))
				}
				if shape == "function-url" {
					event.domain = ""
				}
				got := see(t, lambdahttp.Config{}, event.event(shape))

				want := want
				want.Header = want.Header.Clone()
				want.Header.Del("Connection") // of the test's own connection
				want.Remote, want.TLS = "203.0.113.9:0", true
				if shape == "function-url" {
					want.Host = "abc123defg.lambda-url.eu-west-1.on.aws"
				}
				if strings.HasPrefix(shape, "http") { // the path was decoded, so its own encoding is lost
					want.RawPath = ""
					want.Escaped = (&url.URL{Path: want.Path}).EscapedPath()
					want.URI = strings.Replace(want.URI, s.path, want.Escaped, 1)
				}
				if shape == "alb" && strings.Contains(s.query, "a=1&a=2") { // one value of a name, the last
					want.Query = strings.Replace(want.Query, "a=1&", "", 1)
					want.URI = strings.Replace(want.URI, "a=1&", "", 1)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		})
	}
}

// TestRequest_EncodedPath: %2F stays apart from a slash wherever the platform keeps it apart.
func TestRequest_EncodedPath(t *testing.T) {
	for _, shape := range []string{"rest", "function-url", "alb", "alb-multi"} {
		got := see(t, lambdahttp.Config{}, sent{path: "/f/a%2Fb%252F"}.event(shape))
		if got.Path != "/f/a/b%2F" || got.Escaped != "/f/a%2Fb%252F" || got.RawPath != "/f/a%2Fb%252F" {
			t.Errorf("%s: Path %q, EscapedPath %q, RawPath %q", shape, got.Path, got.Escaped, got.RawPath)
		}
		// RawPath is empty where it would say nothing new: routers take it for the path when it is set.
		if got := see(t, lambdahttp.Config{}, sent{path: "/f/a%20b"}.event(shape)); got.Path != "/f/a b" || got.RawPath != "" {
			t.Errorf("%s: Path %q, RawPath %q", shape, got.Path, got.RawPath)
		}
	}
}

// TestRequest_DecodedPath: what API Gateway decoded is not decoded again, and none of its letters means anything.
// The paths are what live HTTP APIs sent for /question%253F, /literal%2525, /hash%23, /slash%2F and /unicode-%CE%BB.
func TestRequest_DecodedPath(t *testing.T) {
	for _, path := range []string{"/literal?value", "/literal%value", "/hash#value", "/slash/value", "/unicode-λ", "/space value", "/a%2Fb", "/nul\x00"} {
		for _, shape := range []string{"http-1.0", "http-2.0"} {
			got := see(t, lambdahttp.Config{}, sent{path: "/" + url.PathEscape(path[1:]), query: "q=1"}.event(shape))
			if got.Path != path || got.RawPath != "" || got.Query != "q=1" {
				t.Errorf("%s %q: Path %q, RawPath %q, Query %q", shape, path, got.Path, got.RawPath, got.Query)
			}
			if again, err := url.ParseRequestURI(got.URI); err != nil || again.Path != path || again.RawQuery != "q=1" {
				t.Errorf("%s %q: RequestURI %q reads as another request (%v)", shape, path, got.URI, err)
			}
		}
	}
}

// TestRequest_Query: the query is the client's own, in order where the event has an order, sorted by name elsewhere.
func TestRequest_Query(t *testing.T) {
	const query = "b=2&a=1&b=1&redirect=https%3A%2F%2Fe.com%2F%3Fx%3D1%26y&plus=a%2Bb&space=a+b&flag="
	for shape, want := range map[string]string{
		"http-2.0":     query,
		"function-url": query,
		"rest":         "a=1&b=2&b=1&flag=&plus=a%2Bb&redirect=https%3A%2F%2Fe.com%2F%3Fx%3D1%26y&space=a+b",
		"http-1.0":     "a=1&b=2&b=1&flag=&plus=a%2Bb&redirect=https%3A%2F%2Fe.com%2F%3Fx%3D1%26y&space=a+b",
		"alb-multi":    "a=1&b=2&b=1&flag=&plus=a%2Bb&redirect=https%3A%2F%2Fe.com%2F%3Fx%3D1%26y&space=a+b",
		"alb":          "a=1&b=1&flag=&plus=a%2Bb&redirect=https%3A%2F%2Fe.com%2F%3Fx%3D1%26y&space=a+b", // it sends one value of a name
	} {
		got := see(t, lambdahttp.Config{}, sent{path: "/", query: query}.event(shape))
		if got.Query != want {
			t.Errorf("%s: %s\nwant %s", shape, got.Query, want)
		}
		values, err := url.ParseQuery(got.Query)
		if err != nil || values.Get("redirect") != "https://e.com/?x=1&y" || values.Get("plus") != "a+b" || values.Get("space") != "a b" {
			t.Errorf("%s: %v reads as %v", shape, err, values)
		}
	}
}

// TestRequest_QueryOrder: where the event has no order there is one still, the same for every delivery of a request.
func TestRequest_QueryOrder(t *testing.T) {
	for _, shape := range []string{"rest", "http-1.0", "alb-multi"} {
		event := strings.Replace(string(sent{query: "q=1"}.event(shape)), `"multiValueQueryStringParameters":{"q":["1"]}`,
			`"multiValueQueryStringParameters":{"z":["2","1"],"a":["3"],"m":[],"b":["4"]}`, 1)
		if got := see(t, lambdahttp.Config{}, []byte(event)).Query; got != "a=3&b=4&z=2&z=1" {
			t.Errorf("%s: %s", shape, got)
		}
	}
}

// TestG5_HeaderNames: names in any case are one header, and two values stay two values, so that a guard can refuse
// them.
func TestG5_HeaderNames(t *testing.T) {
	for _, shape := range []string{"rest", "alb-multi"} {
		event := strings.Replace(string(sent{header: []string{"AUTHORIZATION", "Bearer a", "x-a", "1"}}.event(shape)),
			`"multiValueHeaders":{`, `"multiValueHeaders":{"aUtHorization":["Bearer b"],`, 1)
		got := see(t, lambdahttp.Config{}, []byte(event))
		values := got.Header["Authorization"]
		slices.Sort(values)
		if !slices.Equal(values, []string{"Bearer a", "Bearer b"}) || got.Header.Get("X-A") != "1" {
			t.Errorf("%s: %v", shape, got.Header)
		}
	}
	for _, shape := range []string{"http-2.0", "function-url"} { // the gateway has joined them
		got := see(t, lambdahttp.Config{}, sent{header: []string{"Authorization", "Bearer a", "Authorization", "Bearer b", "Accept", "text/html, */*"}}.event(shape))
		if !slices.Equal(got.Header["Authorization"], []string{"Bearer a,Bearer b"}) || got.Header.Get("Accept") != "text/html, */*" {
			t.Errorf("%s: %v", shape, got.Header)
		}
	}
}

// TestG5_Cookies: cookies arrive as one header wherever the event has them.
func TestG5_Cookies(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		got := see(t, lambdahttp.Config{}, sent{cookies: []string{"session=abc", "theme=dark", "session=evil"}}.event(shape))
		if want := []string{"session=abc; theme=dark; session=evil"}; !slices.Equal(got.Header["Cookie"], want) {
			t.Errorf("Cookie = %q, want %q", got.Header["Cookie"], want)
		}
	})
}

// TestD3_Address: the address is what the platform saw, in a form net.SplitHostPort reads, and no client's invention.
func TestD3_Address(t *testing.T) {
	spoof := []string{"X-Forwarded-For", "198.51.100.66, 203.0.113.9", "X-Real-Ip", "198.51.100.66", "Forwarded", "for=198.51.100.66"}
	eachShape(t, func(t *testing.T, shape string) {
		got := see(t, lambdahttp.Config{}, sent{header: spoof}.event(shape))
		host, port, err := net.SplitHostPort(got.Remote)
		if err != nil || host != "203.0.113.9" || port != "0" {
			t.Errorf("RemoteAddr = %q, %v", got.Remote, err)
		}
	})
	for forwarded, want := range map[string]string{
		"203.0.113.9":                     "203.0.113.9:0",
		"198.51.100.66,203.0.113.9:51234": "203.0.113.9:51234", // routing.http.xff_client_port.enabled
		"198.51.100.66, 2001:db8::1":      "[2001:db8::1]:0",
		"203.0.113.9, nonsense":           "unknown:0", // never somebody further left
		"203.0.113.9,":                    "unknown:0",
		"":                                "unknown:0",
	} {
		if got := see(t, lambdahttp.Config{}, sent{header: []string{"X-Forwarded-For", forwarded}}.event("alb-multi")).Remote; got != want {
			t.Errorf("X-Forwarded-For %q: RemoteAddr %q, want %q", forwarded, got, want)
		}
	}
	lines := []string{"X-Forwarded-For", "198.51.100.66", "X-Forwarded-For", "198.51.100.67, 203.0.113.9"}
	if got := see(t, lambdahttp.Config{}, sent{header: lines}.event("alb-multi")).Remote; got != "203.0.113.9:0" {
		t.Errorf("two lines of X-Forwarded-For: RemoteAddr %q", got)
	}
	console := strings.Replace(string(sent{}.event("rest")), `"sourceIp":"203.0.113.9"`, `"sourceIp":"test-invoke-source-ip"`, 1)
	if got := see(t, lambdahttp.Config{}, []byte(console)).Remote; got != "unknown:0" {
		t.Errorf("a call from the console: RemoteAddr %q", got)
	}
}

// TestRequest_TLS: r.TLS says whether the client used https; only a load balancer can be reached without.
func TestRequest_TLS(t *testing.T) {
	plain := strings.NewReplacer(`"X-Forwarded-Proto":["https"]`, `"X-Forwarded-Proto":["http"]`, `"x-forwarded-proto":["https"]`, `"x-forwarded-proto":["http"]`,
		`"X-Forwarded-Proto":"https"`, `"X-Forwarded-Proto":"http"`, `"x-forwarded-proto":"https"`, `"x-forwarded-proto":"http"`)
	eachShape(t, func(t *testing.T, shape string) {
		event := string(sent{}.event(shape))
		if !see(t, lambdahttp.Config{}, []byte(event)).TLS {
			t.Error("https: TLS is nil")
		}
		if got, want := see(t, lambdahttp.Config{}, []byte(plain.Replace(event))).TLS, !strings.HasPrefix(shape, "alb"); got != want {
			t.Errorf("X-Forwarded-Proto http: TLS set is %v, want %v", got, want)
		}
	})
}

// TestRequest_Body: bodies are decoded, counted, and an empty one is http.NoBody.
func TestRequest_Body(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		for _, s := range []sent{
			{method: "POST", body: "plain ✓"},
			{method: "POST", body: "AAH/", encoded: true, header: []string{"Content-Length", "4"}}, // counted before decoding
			{method: "POST"},
		} {
			got := see(t, lambdahttp.Config{}, s.event(shape))
			want := s.body
			if s.encoded {
				want = "\x00\x01\xff"
			}
			if got.Body != want || got.Length != int64(len(want)) {
				t.Errorf("body %q of %d bytes, want %q", got.Body, got.Length, want)
			}
			if cl := got.Header.Get("Content-Length"); cl != "" && cl != fmt.Sprint(len(want)) {
				t.Errorf("Content-Length %q for %d bytes", cl, len(want))
			}
		}
		f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Body != http.NoBody {
				t.Error("an empty body is not http.NoBody")
			}
		}), lambdahttp.Config{})
		invoke(t, f, sent{}.event(shape))
	})
}
