package keys_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// inside publishes keys over TLS on this machine and counts the connections that reach it, good or not.
func inside(t *testing.T, doc string) (s *httptest.Server, port string, connections *atomic.Int64) {
	connections = new(atomic.Int64)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail as they should
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return s, port, connections
}

// rebind makes every name stand for ip until the test ends. The resolver of the process answers over a pipe (DNS over
// TCP, RFC 7766), whatever the machine's name server says.
func rebind(t *testing.T, ip netip.Addr, lookups *atomic.Int64) {
	t.Helper()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(theirs, size[:]); err != nil {
					return
				}
				question := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(theirs, question); err != nil {
					return
				}
				lookups.Add(1)
				if _, err := theirs.Write(answer(question, ip)); err != nil {
					return
				}
			}
		}()
		return ours, nil
	}}
}

// answer is the DNS message (RFC 1035 section 4.1) that answers a message of one question.
func answer(question []byte, ip netip.Addr) []byte {
	const header, a, aaaa = 12, 1, 28
	end := header
	for n := int(question[end]); n != 0; n = int(question[end]) {
		end += n + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	msg := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[header:end+5]...)
	if kind == a && ip.Is4() || kind == aaaa && ip.Is6() {
		raw := ip.AsSlice()
		msg[7] = 1
		msg = append(msg, 0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		msg = append(msg, raw...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
}

// refused fails unless the key set at url is not fetched because of its address.
func refused(t *testing.T, url string, change ...func(*keys.RemoteConfig)) {
	t.Helper()
	cfg := keys.RemoteConfig{URL: url, Timeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	v, err := keys.Remote(cfg)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return
	}
	_, err = v.PublicKey(t.Context(), "k")
	if !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "address refused") || !strings.Contains(err.Error(), "AllowPrivate") {
		t.Errorf("%s: %v, want that the address is refused", url, err)
	}
}

func allowPrivate(cfg *keys.RemoteConfig) { cfg.AllowPrivate = true }

// TestC6_RemoteKeySetAddresses: the default client calls no address of this machine or of the network around it.
func TestC6_RemoteKeySetAddresses(t *testing.T) {
	_, port, connections := inside(t, "")
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "[64:ff9b::7f00:1]",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd12:3456::1]",
		"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"224.0.0.1", "255.255.255.255", "192.0.2.1",
	} {
		refused(t, "https://"+host+":"+port+"/jwks")
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200"} {
		refused(t, "https://"+host+":"+port+"/jwks", allowPrivate) // private is neither this machine nor metadata
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestC6_RemoteKeySetRebinding: a name that looks public is judged by the address it stands for.
func TestC6_RemoteKeySetRebinding(t *testing.T) {
	_, port, connections := inside(t, "")
	for _, ip := range []string{"127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.127.0.1", "::1", "fe80::1", "fd00::1"} {
		var lookups atomic.Int64
		rebind(t, netip.MustParseAddr(ip), &lookups)
		refused(t, "https://id.rebind.test:"+port+"/jwks")
		if n := lookups.Load(); n == 0 || n > 2 { // A and AAAA, once: no second look-up to answer differently
			t.Errorf("%s: the name was looked up %d times", ip, n)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestC6_RemoteKeySetAllowed: what the config opens, and nothing else, is open.
func TestC6_RemoteKeySetAllowed(t *testing.T) {
	a := generate(t, keys.EdDSA).Public()
	s, _, connections := inside(t, jwks(t, a))
	url := s.URL + "/jwks"

	// A client of the caller's own decides for itself.
	own, err := keys.Remote(keys.RemoteConfig{URL: url, Client: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, own, a.ID(), nil)

	// AllowInsecure reaches this machine. That nobody vouches for its certificate is found only after connecting.
	before := connections.Load()
	v, err := keys.Remote(keys.RemoteConfig{URL: url, AllowInsecure: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.PublicKey(t.Context(), a.ID()); !errors.Is(err, keys.ErrUnavailable) || strings.Contains(err.Error(), "refused") || connections.Load() != before+1 {
		t.Errorf("AllowInsecure: %v after %d connections", err, connections.Load()-before)
	}
}
