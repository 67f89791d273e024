package lambdahttp_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/lambdahttp"
)

// TestWriter_AsNetHTTP: whatever a handler does with its ResponseWriter, the client gets what net/http would send.
func TestWriter_AsNetHTTP(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"nothing":           func(w http.ResponseWriter, r *http.Request) {},
		"first status wins": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401); w.WriteHeader(200) },
		"status after body": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a"); w.WriteHeader(500) },
		"early hints":       func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) },
		"http.Error":        func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?a=b", http.StatusSeeOther)
		},
		"flush":              func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(404) },
		"header after write": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a"); w.Header().Set("X-Late", "1") },
		"header after status": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "1")
			w.WriteHeader(202)
			w.Header().Set("X-A", "2")
			w.Header().Add("X-B", "3")
		},
		"line breaks in a value": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "a\r\nSet-Cookie: admin=1")
			w.Header().Set("X-B", " padded\t")
		},
		"a name that is none": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-A: 1\r\nX-Evil"] = []string{"1"}
			w.Header()["X Y"] = []string{"1"}
			w.Header()[""] = []string{"1"}
		},
		"trailers":    func(w http.ResponseWriter, r *http.Request) { w.Header().Set(http.TrailerPrefix+"X-T", "1") },
		"many writes": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%d-%s", 1, strings.Repeat("x", 5000)) },
		"serve file": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("hello"))
		},
		"odd status":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(799) },
		"utf-8 header": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-A", "café") },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // it complains of second statuses
			srv.Start()
			defer srv.Close()
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			want := resp.Header.Clone()
			for _, gone := range []string{"Date", "Content-Length"} { // of the gateway
				want.Del(gone)
			}
			eachShape(t, func(t *testing.T, shape string) {
				got := answered(t, shape, h)
				if got.Status != resp.StatusCode || got.bytes(t) != string(body) || fmt.Sprint(got.header()) != fmt.Sprint(want) {
					t.Errorf("got  %s\nwant %d %v %q", got.raw, resp.StatusCode, want, body)
				}
			})
		})
	}
}

// TestWriter_HopByHop: headers of a connection are not for a gateway, which refuses some.
func TestWriter_HopByHop(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		got := answered(t, shape, func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"} {
				w.Header().Set(name, "x")
			}
			w.Header().Set("X-Kept", "1")
		}).header()
		if len(got) != 1 || got.Get("X-Kept") != "1" {
			t.Errorf("%v", got)
		}
	})
}

// TestWriter_Panic: a panic is a 500 of one request: logged, nothing of the half answer sent, the next request served.
func TestWriter_Panic(t *testing.T) {
	eachShape(t, func(t *testing.T, shape string) {
		for name, c := range map[string]struct {
			do     func(w http.ResponseWriter)
			logged string
		}{
			"a panic":                      {func(w http.ResponseWriter) { panic("boom") }, "boom"},
			"an error":                     {func(w http.ResponseWriter) { panic(errors.New("bang")) }, "bang"},
			"a panic after an answer":      {func(w http.ResponseWriter) { http.Error(w, "half", http.StatusAccepted); panic("boom") }, "boom"},
			"a status that is none":        {func(w http.ResponseWriter) { w.WriteHeader(0) }, "invalid WriteHeader code 0"},
			"taking over the connection":   {func(w http.ResponseWriter) { w.WriteHeader(101) }, "101"},
			"http.ErrAbortHandler, silent": {func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, ""},
		} {
			logger, lines := logs()
			f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/fine" {
					return
				}
				w.Header().Set("Set-Cookie", "session=1")
				c.do(w)
			}), lambdahttp.Config{Logger: logger})
			got := invoke(t, f, sent{}.event(shape))
			if got.Status != 500 || strings.Contains(got.raw, "session=1") || strings.Contains(got.Body, "half") || strings.Contains(got.Body, "boom") {
				t.Errorf("%s: %s", name, got.raw)
			}
			if c.logged == "" && lines.Len() > 0 || c.logged != "" && (!strings.Contains(lines.String(), c.logged) || !strings.Contains(lines.String(), "stack=")) {
				t.Errorf("%s: logged %q", name, lines)
			}
			lines.Reset()
			if got := invoke(t, f, sent{path: "/fine"}.event(shape)); got.Status != http.StatusOK || lines.Len() > 0 {
				t.Errorf("%s: the next request: %d, logged %q", name, got.Status, lines)
			}
		}
	})
}

// TestWriter_Late: a goroutine that outlives its handler gets errors, disturbs no answer, and races with nothing.
func TestWriter_Late(t *testing.T) {
	var running sync.WaitGroup
	stop := make(chan struct{})
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready := make(chan struct{})
		running.Go(func() {
			close(ready)
			for {
				select {
				case <-stop:
					if _, err := io.WriteString(w, "late"); err == nil {
						t.Error("a late Write succeeds")
					}
					w.WriteHeader(500)
					w.(http.Flusher).Flush()
					if w.Header().Set("X-Late", "1"); w.Header().Get("X-Late") != "" {
						t.Error("a late header is kept")
					}
					if r.Context().Err() == nil {
						t.Error("the context of an answered request lives on")
					}
					return
				default:
					io.WriteString(w, "a")
				}
			}
		})
		<-ready
		w.WriteHeader(200)
	}), lambdahttp.Config{})
	for range 20 {
		got := invoke(t, f, sent{}.event("http-2.0"))
		if strings.Trim(got.Body, "a") != "" || got.Status != 200 {
			t.Errorf("%s", got.raw)
		}
	}
	close(stop)
	running.Wait()
}

// TestWriter_Controller: a ResponseController flushes, and says of the rest that it is not supported.
func TestWriter_Controller(t *testing.T) {
	answered(t, "rest", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if err := c.SetWriteDeadline(time.Time{}); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		if _, _, err := c.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
	})
}
