package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// leanIdle is how long a connection may have been idle before another one takes its place. Node closes one after five
// seconds, perhaps as a request is sent.
const leanIdle = 3 * time.Second

// lean is an http.RoundTripper for one worker: one connection, no goroutine, one request at a time, which the deadline
// of its context ends and nothing else. The transport of net/http takes more of the processor for a request than a fast
// server does for its answer, and the two share the machine here: with it, a table of servers would show the client.
type lean struct {
	conn net.Conn
	from *bufio.Reader
	to   *bufio.Writer
	host string
	used time.Time
}

func (l *lean) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.conn == nil || l.host != r.URL.Host || time.Since(l.used) > leanIdle {
		if err := l.dial(r); err != nil {
			return nil, err
		}
	}
	res, err := l.exchange(r)
	if err != nil {
		l.close()
		return nil, err
	}
	l.used = time.Now()
	res.Body = &leanBody{ReadCloser: res.Body, of: l, last: res.Close}
	return res, nil
}

func (l *lean) dial(r *http.Request) error {
	l.close()
	var d net.Dialer
	conn, err := d.DialContext(r.Context(), "tcp", r.URL.Host)
	if err != nil {
		return err
	}
	l.conn, l.host = conn, r.URL.Host
	l.from, l.to = bufio.NewReader(conn), bufio.NewWriter(conn)
	return nil
}

func (l *lean) exchange(r *http.Request) (*http.Response, error) {
	end, _ := r.Context().Deadline() // the zero time: there is none
	if err := l.conn.SetDeadline(end); err != nil {
		return nil, err
	}
	if err := r.Write(l.to); err != nil {
		return nil, err
	}
	if err := l.to.Flush(); err != nil {
		return nil, err
	}
	return http.ReadResponse(l.from, r)
}

func (l *lean) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// leanBody leaves the connection at the next answer, or closes it if there is none.
type leanBody struct {
	io.ReadCloser
	of   *lean
	last bool
}

func (b *leanBody) Close() error {
	_, err := io.Copy(io.Discard, b.ReadCloser)
	if cerr := b.ReadCloser.Close(); err == nil {
		err = cerr
	}
	if b.last || err != nil {
		b.of.close()
	}
	return err
}
