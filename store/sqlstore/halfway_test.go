package sqlstore_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
)

// A tearer stands between a client and a server. When armed, it passes on so many bytes of the next answers, calls
// torn, and breaks the connection.
type tearer struct {
	left atomic.Int64 // 0: it passes on everything
	torn atomic.Pointer[func()]
}

func (c *tearer) arm(left int64, torn func()) {
	c.torn.Store(&torn)
	c.left.Store(left)
}

func (c *tearer) listen(t *testing.T, target string) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			wg.Go(func() {
				defer server.Close()
				_, _ = io.Copy(server, client) // until either is closed
			})
			wg.Go(func() {
				defer client.Close()
				defer server.Close()
				forward(client, server, func(said []byte) (last bool) {
					left := c.left.Load()
					if left == 0 || c.left.Add(-int64(len(said))) > 0 {
						return false
					}
					_, _ = client.Write(said[:left])
					torn := c.torn.Load()
					c.left.Store(0)
					(*torn)()
					return true
				})
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

// TestT4_AnswerTornHalfway: a read whose connection breaks in the middle of the answer begins anew. Nothing of the
// first answer is left in the second, and half an answer never passes for all of it.
func TestT4_AnswerTornHalfway(t *testing.T) {
	target, err := url.Parse(postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	plain := postgresStore(t, openPostgres(t, target.String()), nil)
	var keys []store.Key
	var first store.Change
	for n := range 16 {
		put := store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprintf("%02d", n)}, Value: make([]byte, 64<<10)})
		if err := plain.Write(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		if keys = append(keys, put.Item.Key); n == 0 {
			first = put
		}
	}
	c := &tearer{}
	through := *target
	through.Host = c.listen(t, target.Host)
	s := postgresStore(t, openPostgres(t, through.String()), nil)
	if _, err := s.Get(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(t.Context(), "p", "", 100); err != nil {
		t.Fatal(err)
	}
	c.arm(512<<10, func() {})
	if items, next, err := s.List(t.Context(), "p", "", 100); err != nil || len(items) != len(keys) || next != "" || c.left.Load() != 0 {
		t.Errorf("List found %d items, %q, %v; want %d", len(items), next, err, len(keys))
	}
	c.arm(512<<10, func() { // after it was read, and before all is read again
		if err := plain.Write(t.Context(), store.Delete(first.Item.Key, first.Item.Version)); err != nil {
			t.Error(err)
		}
	})
	if items, err := s.Get(t.Context(), keys...); err != nil || len(items) != len(keys)-1 || c.left.Load() != 0 {
		t.Errorf("Get found %d items, %v; want the %d that are left", len(items), err, len(keys)-1)
	}
}
