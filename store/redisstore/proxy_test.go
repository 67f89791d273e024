package redisstore_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A fault is what the proxy does to one command of the store.
type fault int

const (
	none       fault = iota
	cutBefore        // the connection ends before the server sees the command
	cutWithin        // the server sees half of the command, then the connection ends
	cutAfter         // the server carries the command out, and the connection ends before its answer
	tornAnswer       // the connection ends in the middle of the answer
	silence          // the server carries the command out, and the answer never comes
	refusal          // the server answers with an error, without carrying the command out
	faults           // how many there are
)

// A proxy stands between a client and its server. It asks plan what to do to each command of the store, and leaves the
// greeting of a connection alone.
type proxy struct {
	t        testing.TB
	addr, to string
	plan     func() fault
	answer   string      // of a refusal
	reset    atomic.Bool // connections end with a reset
	between  func()      // runs once after a cutAfter, before the client learns of it
	injected [faults]atomic.Int64

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startProxy(t testing.TB, to string, plan func() fault) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, addr: l.Addr().String(), to: to, plan: plan, conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed below
			}
			p.wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.conns = nil
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// keep notes a connection to be closed at the end, and reports false when that has come already.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns != nil {
		p.conns[c] = true
	}
	return p.conns != nil
}

// hangUp ends a connection, by a reset if p.reset is set.
func (p *proxy) hangUp(client net.Conn) {
	if tcp, ok := client.(*net.TCPConn); ok && p.reset.Load() {
		_ = tcp.SetLinger(0)
	}
	_ = client.Close()
}

func (p *proxy) serve(client net.Conn) {
	defer p.hangUp(client)
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client) || !p.keep(server) {
		return
	}
	var now atomic.Int32 // the fault of the command under way
	p.wg.Go(func() { p.answers(client, server, &now) })
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		request, f := buf[:n], none
		if ours(request) {
			f = p.plan()
			p.injected[f].Add(1)
			now.Store(int32(f))
		}
		switch f {
		case cutBefore:
			return
		case cutWithin:
			_, _ = server.Write(request[:n/2])
			return
		case refusal:
			_, err = client.Write([]byte("-" + p.answer + "\r\n"))
		default:
			_, err = server.Write(request)
		}
		if err != nil {
			return
		}
	}
}

// ours knows the commands the store sends.
func ours(request []byte) bool {
	for _, name := range []string{"\r\nevalsha\r\n", "\r\neval\r\n", "\r\nget\r\n", "\r\nmget\r\n"} {
		if bytes.Contains(request[:min(len(request), 40)], []byte(name)) {
			return true
		}
	}
	return false
}

func (p *proxy) answers(client, server net.Conn, now *atomic.Int32) {
	defer p.hangUp(client)
	defer server.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		switch fault(now.Swap(int32(none))) {
		case cutAfter:
			if p.between != nil {
				between := p.between
				p.between = nil
				between()
			}
			return
		case tornAnswer:
			_, _ = client.Write(buf[:n/2])
			return
		case silence:
			continue
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
