package fakeidp

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"time"
)

const (
	bombSize  = 1 << 30 // bytes that Huge sends and GzipBomb unpacks to
	bombChunk = 1 << 20
)

// apply makes the trouble. It returns the writer to answer on, or true if there is nothing left to answer.
func (t Trouble) apply(w http.ResponseWriter, r *http.Request, f Faults) (http.ResponseWriter, bool) {
	switch t {
	case Slow:
		return w, !wait(r, f.Delay, 30*time.Second)
	case Drip:
		return &dripWriter{ResponseWriter: w, r: r, every: f.Delay}, false
	case Huge:
		huge(w)
	case GzipBomb:
		gzipBomb(w)
	case RedirectLoop:
		to := f.RedirectTo
		if to == "" {
			to = r.URL.RequestURI()
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	case ServerError:
		htmlAnswer(w, http.StatusInternalServerError)
	case NotJSON:
		htmlAnswer(w, http.StatusOK)
	case Down:
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	default:
		return w, false
	}
	return w, true
}

func htmlAnswer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!doctype html><title>Sorry</title><h1>Something went wrong</h1>\n"))
}

// wait returns false if the client went away first.
func wait(r *http.Request, d, otherwise time.Duration) bool {
	if d <= 0 {
		d = otherwise
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// A dripWriter sends one byte at a time.
type dripWriter struct {
	http.ResponseWriter
	r     *http.Request
	every time.Duration
}

func (w *dripWriter) Write(b []byte) (int, error) {
	out := http.NewResponseController(w.ResponseWriter)
	for i := range b {
		if _, err := w.ResponseWriter.Write(b[i : i+1]); err != nil {
			return i, err
		}
		if err := out.Flush(); err != nil {
			return i, err
		}
		if !wait(w.r, w.every, time.Second) {
			return i, w.r.Context().Err()
		}
	}
	return len(b), nil
}

// huge ends early when the client hangs up, as it should.
func huge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat("a", bombChunk))
	if _, err := w.Write([]byte(`{"x":"`)); err != nil {
		return
	}
	for range bombSize / bombChunk {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`"}`))
}

// gzipBomb packs one chunk and sends it many times over: members of a gzip file may follow one another (RFC 1952
// section 2.2).
func gzipBomb(w http.ResponseWriter) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte(" "), bombChunk)) // a bytes.Buffer takes everything
	_ = z.Close()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	for range bombSize / bombChunk {
		if _, err := w.Write(packed.Bytes()); err != nil {
			return
		}
	}
}
