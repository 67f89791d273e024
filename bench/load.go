package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A load asks a server the same few things over kept connections, as fast as it answers. It does as little work for
// each request as it can, so that one core of it is enough to keep one core of a server busy.
type load struct {
	requests [][]byte
	conns    int
}

func newLoad(tokens []string, conns int) *load {
	l := &load{conns: conns}
	for _, t := range tokens {
		l.requests = append(l.requests, request(t))
	}
	return l
}

func request(token string) []byte {
	return fmt.Appendf(nil, "GET /me HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer %s\r\n\r\n", token)
}

// run loads a server for d and returns how many requests it answered.
func (l *load) run(addr string, d time.Duration) (int, error) {
	var (
		wg    sync.WaitGroup
		total atomic.Int64
		errs  = make([]error, l.conns)
		end   = time.Now().Add(d)
	)
	for i := range l.conns {
		wg.Go(func() {
			n, err := l.connection(addr, i*len(l.requests)/l.conns, end)
			total.Add(int64(n))
			errs[i] = err
		})
	}
	wg.Wait()
	if total.Load() == 0 {
		errs = append(errs, errors.New("no request was answered in time"))
	}
	return int(total.Load()), errors.Join(errs...)
}

func (l *load) connection(addr string, at int, end time.Time) (n int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(end.Add(10 * time.Second)); err != nil {
		return 0, err
	}
	// The first answer is read with care; the others are of the same length.
	var first bytes.Buffer
	if _, err := conn.Write(l.requests[at]); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &first)), nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answers %s", res.Status)
	}
	answer := make([]byte, first.Len())
	for n = 1; time.Now().Before(end); n++ {
		at++
		if _, err := conn.Write(l.requests[at%len(l.requests)]); err != nil {
			return n, err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return n, err
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			return n, fmt.Errorf("the server answers %.40q", answer)
		}
	}
	return n, nil
}

// refused returns nil if the server refuses the token.
func (l *load) refused(addr, token string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(request(token)); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return nil
}
