package testserver

import (
	"io"
	"net"
	"sync"
)

// A Relay passes the bytes of TCP connections on to a server, and fails as a network does when a test wants it. Its
// methods are safe for concurrent use.
type Relay struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	moves *sync.Cond // signals that stall ended
	cut   bool
	stall bool
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// NewRelay listens at a free port of the loopback interface, for connections to the address to.
func NewRelay(to string) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{to: to, listener: l, conns: map[net.Conn]bool{}}
	r.moves = sync.NewCond(&r.mu)
	r.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.wait.Go(func() { r.pass(c) })
		}
	})
	return r, nil
}

// Addr is where the relay listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Cut closes all connections and each new one (true), or lets new ones pass again (false).
func (r *Relay) Cut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if cut {
		for c := range r.conns {
			c.Close()
		}
	}
}

// Stall keeps all bytes back while connections stay open (true), or lets them go on (false).
func (r *Relay) Stall(stall bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stall = stall
	r.moves.Broadcast()
}

// Close closes the relay and its connections, and returns when nothing of them runs.
func (r *Relay) Close() {
	r.listener.Close()
	r.Cut(true)
	r.Stall(false)
	r.wait.Wait()
}

func (r *Relay) pass(c net.Conn) {
	defer r.forget(c)
	if !r.keep(c) {
		return
	}
	up, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer r.forget(up)
	if !r.keep(up) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.copy(up, c) })
	both.Go(func() { r.copy(c, up) })
	both.Wait()
}

// keep reports whether a connection may go on.
func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cut {
		r.conns[c] = true
	}
	return !r.cut
}

func (r *Relay) forget(c net.Conn) {
	c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// copy ends both connections when one of them does.
func (r *Relay) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	_, _ = io.Copy(writerFunc(func(data []byte) (int, error) {
		r.mu.Lock()
		for r.stall {
			r.moves.Wait()
		}
		r.mu.Unlock()
		return to.Write(data)
	}), from)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }
