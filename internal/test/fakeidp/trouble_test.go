package fakeidp

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const metadata = "/.well-known/openid-configuration"

// fetch asks for the metadata without unpacking, and returns before the body is read.
func (b *bench) fetch() (*http.Response, error) {
	r, err := http.NewRequestWithContext(b.Context(), "GET", b.url+metadata, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	return b.client.Do(r)
}

func TestTroubleAnswers(t *testing.T) {
	b := newBench(t, nil)
	set := func(kind Trouble) { b.idp.SetFaults(Faults{Transport: map[Endpoint]Trouble{Discovery: kind}}) }

	set(ServerError)
	if res, body := b.do("GET", metadata, ""); res.StatusCode != 500 || !strings.Contains(body, "<html") && !strings.Contains(body, "<!doctype") {
		t.Errorf("server error: %d %s", res.StatusCode, body)
	}
	set(NotJSON)
	if res, body := b.do("GET", metadata, ""); res.StatusCode != 200 || !strings.Contains(body, "<!doctype") {
		t.Errorf("not JSON: %d %s", res.StatusCode, body)
	}
	set(RedirectLoop)
	if res, _ := b.do("GET", metadata, ""); res.StatusCode != 302 || res.Header.Get("Location") != "/idp"+metadata {
		t.Errorf("redirect loop: %d %q", res.StatusCode, res.Header.Get("Location"))
	}
	b.idp.SetFaults(Faults{Transport: map[Endpoint]Trouble{"": RedirectLoop}, RedirectTo: "http://192.0.2.1/"})
	if res, _ := b.do("GET", metadata, ""); res.Header.Get("Location") != "http://192.0.2.1/" {
		t.Errorf("redirect elsewhere: %q", res.Header.Get("Location"))
	}
	if answer := b.back("/authorize", request()); !answer.Has("code") {
		t.Errorf("trouble of all endpoints reached /authorize: %v", answer)
	}
	set(Down)
	if res, err := b.fetch(); err == nil {
		t.Errorf("down: status %d", res.StatusCode)
	}
	set("")
	if res, _ := b.do("GET", metadata, ""); res.StatusCode != 200 {
		t.Errorf("no trouble: %d", res.StatusCode)
	}
}

func TestTroubleHuge(t *testing.T) {
	b := newBench(t, nil)
	for _, kind := range []Trouble{Huge, GzipBomb} {
		b.idp.SetFaults(Faults{Transport: map[Endpoint]Trouble{Discovery: kind}})
		res, err := b.fetch()
		if err != nil {
			t.Fatal(err)
		}
		body := io.Reader(res.Body)
		if kind == GzipBomb {
			if res.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("Content-Encoding %q", res.Header.Get("Content-Encoding"))
			}
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		const enough = 32 << 20
		if n, err := io.CopyN(io.Discard, body, enough); n != enough || err != nil {
			t.Errorf("%s: %d bytes, %v", kind, n, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A flushRecorder records when bytes arrive.
type flushRecorder struct {
	*httptest.ResponseRecorder
	at []time.Time
}

func (f *flushRecorder) FlushError() error {
	f.at = append(f.at, time.Now())
	return nil
}

func TestTroubleTakesItsTime(t *testing.T) {
	idp, err := New(Config{Issuer: "http://localhost", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		kind  Trouble
		delay time.Duration
		total time.Duration // negative: the delay once a byte
	}{
		{Slow, 0, 30 * time.Second},
		{Slow, time.Minute, time.Minute},
		{Drip, 0, -1},
		{Drip, time.Minute, -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			idp.SetFaults(Faults{Transport: map[Endpoint]Trouble{Discovery: test.kind}, Delay: test.delay})
			w := &flushRecorder{ResponseRecorder: httptest.NewRecorder()}
			start := time.Now()
			idp.ServeHTTP(w, httptest.NewRequest("GET", metadata, nil))
			took, length := time.Since(start), w.Body.Len()
			want := test.total
			if want < 0 {
				every := max(test.delay, time.Second)
				want = time.Duration(length) * every
				if len(w.at) != length || w.at[1].Sub(w.at[0]) != every {
					t.Errorf("%s: %d flushes of %d bytes", test.kind, len(w.at), length)
				}
			}
			if took != want || length < 100 {
				t.Errorf("%s: %d bytes took %v, want %v", test.kind, length, took, want)
			}
		})
	}
}

func TestTroubleEndsWithTheClient(t *testing.T) {
	idp, err := New(Config{Issuer: "http://localhost", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Trouble{Slow, Drip} {
		synctest.Test(t, func(t *testing.T) {
			idp.SetFaults(Faults{Transport: map[Endpoint]Trouble{"": kind}, Delay: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			w := httptest.NewRecorder()
			idp.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", metadata, nil))
			if took := time.Since(start); took != time.Second || w.Body.Len() > 1 || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("%s: %d bytes in %v", kind, w.Body.Len(), took)
			}
		})
	}
}
