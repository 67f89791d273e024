package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestC7_BoundedCalls(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	zip.Write(make([]byte, 32<<20))
	zip.Close()
	chunk := bytes.Repeat([]byte{' '}, 64<<10)

	mux := http.NewServeMux()
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stall-body", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			<-tick.C
		}
	})
	mux.HandleFunc("/gigabyte", func(w http.ResponseWriter, r *http.Request) {
		for range 1 << 30 / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/announced", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1073741824")
		w.Write(chunk)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("Accept-Encoding is %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/500", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/exact", func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat(chunk, DefaultMaxBody/len(chunk))) })
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	down := httptest.NewServer(nil)
	down.Close()

	// Only a case that must time out has a short timeout, so that no other case fails on a busy machine.
	const short, long = 300 * time.Millisecond, 20 * time.Second
	own := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer own.CloseIdleConnections()
	for name, caller := range map[string]*http.Client{"own transport": nil, "caller's transport": own} {
		for _, tt := range []struct {
			url    string
			status int // 0: an error
			want   func(error) bool
		}{
			{down.URL, 0, nil},
			{srv.URL + "/stall", 0, isTimeout},
			{srv.URL + "/stall-body", 0, isTimeout},
			{srv.URL + "/drip", 0, isTimeout},
			{srv.URL + "/gigabyte", 0, isKind(ErrTooLarge)},
			{srv.URL + "/announced", 0, isKind(ErrTooLarge)},
			{srv.URL + "/gzip", 0, isKind(ErrEncoded)},
			{srv.URL + "/loop", http.StatusFound, nil},
			{srv.URL + "/500", http.StatusInternalServerError, nil},
			{srv.URL + "/exact", http.StatusOK, nil},
		} {
			timeout := long
			if strings.HasSuffix(tt.url, "/stall") || strings.HasSuffix(tt.url, "/stall-body") || strings.HasSuffix(tt.url, "/drip") {
				timeout = short
			}
			c := Client(Options{AllowLoopback: true, Timeout: timeout, HTTPClient: caller})
			start := time.Now()
			resp, err := Get(t.Context(), c, tt.url+"?token=s3cret", nil)
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("%s, %s: took %v", name, tt.url, took)
			}
			switch {
			case tt.status != 0 && (err != nil || resp.Status != tt.status):
				t.Errorf("%s, %s: %v, %v", name, tt.url, resp, err)
			case tt.status == 0 && err == nil:
				t.Errorf("%s, %s: no error, status %d, %d bytes", name, tt.url, resp.Status, len(resp.Body))
			case tt.want != nil && !tt.want(err):
				t.Errorf("%s, %s: %v is of another kind", name, tt.url, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s, %s: the error repeats the query: %v", name, tt.url, err)
			}
		}
	}
	if resp, err := Get(t.Context(), Client(Options{AllowLoopback: true}), srv.URL+"/header", nil); err == nil {
		t.Errorf("128 KiB of header were read: status %d", resp.Status)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func isKind(kind error) func(error) bool { return func(err error) bool { return errors.Is(err, kind) } }

func TestC7_ContextEndsACall(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Get(ctx, Client(Options{AllowLoopback: true}), srv.URL, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestC7_LongBodyNeverPassesForAWholeOne: a reader of small pieces gets an error after the allowed bytes, not an end.
func TestC7_LongBodyNeverPassesForAWholeOne(t *testing.T) {
	for length := range 12 {
		for piece := 1; piece <= 12; piece++ {
			b := &bounded{body: io.NopCloser(strings.NewReader(strings.Repeat("x", length))), left: 5, max: 5}
			got, p := 0, make([]byte, piece)
			var err error
			for err == nil {
				var n int
				n, err = b.Read(p)
				got += n
			}
			if want := min(length, 5); got != want || errors.Is(err, io.EOF) != (length <= 5) {
				t.Errorf("%d bytes by %d: read %d, %v", length, piece, got, err)
			}
		}
	}
}

func TestClientSendsNothingOfItsOwn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := r.Header.Get("Cookie"); c != "" {
			t.Errorf("cookie %q was sent", c)
		}
		if ua := r.Header.Get("User-Agent"); ua != "postern" {
			t.Errorf("User-Agent is %q", ua)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Method+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Accept")+" "+r.Header.Get("X-One")+" "+string(body))
	}))
	defer srv.Close()
	jar, _ := cookiejar.New(nil)
	if Transport(Options{}).Proxy != nil {
		t.Error("a proxy from the environment would be used")
	}
	for range 2 {
		c := Client(Options{AllowLoopback: true, HTTPClient: &http.Client{Jar: jar}})
		resp, err := PostForm(t.Context(), c, srv.URL, url.Values{"a": {"b c"}}, http.Header{"X-One": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		if want := "POST application/x-www-form-urlencoded application/json 1 a=b+c"; resp.Body != want {
			t.Errorf("the server saw %q, want %q", resp.Body, want)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
