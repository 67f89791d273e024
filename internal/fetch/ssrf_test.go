package fetch

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// listener counts connections to this machine on one port.
type listener struct {
	net.Listener
	accepted atomic.Int32
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

func listen(t *testing.T) (port string, l *listener) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &listener{Listener: inner}
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	_, port, _ = net.SplitHostPort(inner.Addr().String())
	return port, l
}

// nameserver answers A and AAAA queries with the addresses that answer returns, over the pipe of the dialled
// connection.
func nameserver(answer func(name string) netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(theirs, size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(theirs, q); err != nil {
					return
				}
				if _, err := theirs.Write(reply(q, answer)); err != nil {
					return
				}
			}
		}()
		return ours, nil
	}}
}

// reply returns the DNS answer (RFC 1035 section 4) to a query with one question.
func reply(q []byte, answer func(string) netip.Addr) []byte {
	end, name := 12, ""
	for q[end] != 0 {
		n := int(q[end])
		name += string(q[end+1:end+1+n]) + "."
		end += n + 1
	}
	kind := binary.BigEndian.Uint16(q[end+1:])
	end += 5
	msg := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	ip := answer(name)
	if ip.IsValid() && (kind == 1 && ip.Is4() || kind == 28 && ip.Is6()) {
		msg[7] = 1
		raw := ip.AsSlice()
		msg = append(msg, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		msg = append(msg, raw...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
}

func TestC6_NoConnectionToPrivateAddresses(t *testing.T) {
	port, l := listen(t)
	c := Client(Options{Timeout: 2 * time.Second})
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "localhost.", "[::1]", "[0:0:0:0:0:0:0:1]", // loopback
		"0.0.0.0", "[::]", // this machine, on Linux
		"2130706433", "0x7f000001", "017700000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0x7f.1", "127.0.0.1.", "0", // odd numbers
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", // IPv4 in IPv6
		"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", // NAT64, 6to4
		"169.254.169.254", "[fe80::1]", "[fe80::1%25lo]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192", // metadata
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fd12:3456::1]", "[fec0::1]", // private
		"224.0.0.1", "[ff02::1]", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "[2001:db8::1]", "[2001::1]", // not unicast, not public
		"user@127.0.0.1", "user:pass@localhost",
	} {
		for _, scheme := range []string{"https", "http"} {
			_, err := Get(t.Context(), c, scheme+"://"+host+":"+port+"/x?secret=s3cret", nil)
			if err == nil {
				t.Errorf("%s://%s was fetched", scheme, host)
				continue
			}
			if !errors.Is(err, ErrRefused) {
				var dns *net.DNSError
				if !errors.As(err, &dns) { // a resolver may not know "localhost." either
					t.Errorf("%s://%s: %v: not ErrRefused", scheme, host, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s://%s: the error repeats the query: %v", scheme, host, err)
			}
		}
	}
	if n := l.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestC6_OtherSchemes: only https is allowed.
func TestC6_OtherSchemes(t *testing.T) {
	c := Client(Options{})
	for _, target := range []string{
		"", "/etc/passwd", "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "data:application/json,{}",
		"unix:///run/x.sock", "https:example.com", "https://", "https:///x", "//example.com/", "http://example.com/",
		"javascript:alert(1)", "https://exa mple.com/", "https://example.com%00.evil/", "https://[::1",
	} {
		if _, err := Get(t.Context(), c, target, nil); err == nil {
			t.Errorf("%q was fetched", target)
		}
		if err := CheckURL(target, false); !errors.Is(err, ErrRefused) {
			t.Errorf("CheckURL(%q) = %v", target, err)
		}
	}
	for _, target := range []string{
		"https://2130706433/", "https://0x7f000001/", "https://0X7F.1/", "https://017700000001/", "https://127.1/", "https://127.0.0.1./", "https://1.2.3.4.5/",
		"https://[fe80::1%25eth0]/", "https://example.com%2eevil/",
	} {
		if err := CheckURL(target, true); !errors.Is(err, ErrRefused) { // such a host is refused without a lookup
			t.Errorf("CheckURL(%q) = %v", target, err)
		}
	}
	for _, target := range []string{"https://example.com#f", "https://a\\b/", "https://example.com/\n", "https://exämple.com/"} {
		if err := CheckURL(target, false); !errors.Is(err, ErrRefused) {
			t.Errorf("CheckURL(%q) = %v", target, err)
		}
	}
	for _, target := range []string{"https://example.com", "https://id.example.com:8443/a?b=c", "https://192.0.2.1/", "https://[2001:db8::1]/"} {
		if err := CheckURL(target, false); err != nil {
			t.Errorf("CheckURL(%q) = %v", target, err)
		}
	}
	for target, want := range map[string]bool{
		"http://localhost:8080/": true, "http://127.0.0.1/": true, "http://[::1]:1/": true,
		"http://example.com/": false, "http://localhost.example.com/": false, "http://10.0.0.1/": false,
	} {
		if err := CheckURL(target, true); (err == nil) != want {
			t.Errorf("CheckURL(%q, loopback) = %v", target, err)
		}
	}
}

// TestC6_Rebinding: a public name is checked by the address of the connection.
func TestC6_Rebinding(t *testing.T) {
	port, l := listen(t)
	for _, ip := range []string{
		"127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.127.0.1", "0.0.0.0",
		"::1", "::ffff:127.0.0.1", "fe80::1", "fd00::1", "64:ff9b::7f00:1",
	} {
		var asked atomic.Int32
		c := Client(Options{Timeout: 2 * time.Second, Resolver: nameserver(func(string) netip.Addr {
			asked.Add(1)
			return netip.MustParseAddr(ip)
		})})
		_, err := Get(t.Context(), c, "https://id.rebind.test:"+port+"/", nil)
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v: not ErrRefused", ip, err)
		}
		if n := asked.Load(); n == 0 || n > 2 { // A and AAAA, once: no second look-up to answer differently
			t.Errorf("%s: the name was looked up %d times", ip, n)
		}
	}
	if n := l.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestC6_RedirectIsNotFollowed(t *testing.T) {
	port, l := listen(t)
	for _, to := range []string{"https://169.254.169.254/latest/meta-data/", "https://127.0.0.1:" + port + "/", "http://[::1]:" + port + "/", "/again", "//127.0.0.1:" + port, "https://a\\b/?code=c0de", "https://[/?code=c0de"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			calls := 0
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			}))
			resp, err := Get(t.Context(), Client(Options{HTTPClient: srv.Client()}), srv.URL, nil)
			srv.Close()
			if err != nil || resp.Status != status || calls != 1 {
				t.Errorf("%d to %s: %+v, %v after %d calls", status, to, resp, err, calls)
			}
		}
	}
	if n := l.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestC6_AllowedAddresses(t *testing.T) {
	for _, tt := range []struct {
		ip                      string
		strict, loopback, inner bool // Options zero, AllowLoopback, AllowPrivate
	}{
		{"8.8.8.8", true, true, true},
		{"2606:4700::1111", true, true, true},
		{"::ffff:8.8.8.8", true, true, true},
		{"64:ff9b::808:808", true, true, true},
		{"127.0.0.1", false, true, false},
		{"::1", false, true, false},
		{"::ffff:127.0.0.1", false, true, false},
		{"64:ff9b::7f00:1", false, false, false},
		{"10.0.0.1", false, false, true},
		{"172.20.0.1", false, false, true},
		{"100.64.0.1", false, false, true},
		{"fd12::1", false, false, true},
		{"64:ff9b::a00:1", false, false, true},
		{"169.254.169.254", false, false, false},
		{"::ffff:169.254.169.254", false, false, false},
		{"fd00:ec2::254", false, false, false},
		{"100.100.100.200", false, false, false},
		{"fe80::1", false, false, false},
		{"ff02::1", false, false, false},
		{"0.0.0.0", false, false, false},
		{"::", false, false, false},
		{"::7f00:1", false, false, false},
		{"2002:a00:1::", false, false, false},
		{"255.255.255.255", false, false, false},
	} {
		ip := netip.MustParseAddr(tt.ip)
		got := [3]bool{allowed(ip, false, false), allowed(ip, true, false), allowed(ip, false, true)}
		if want := [3]bool{tt.strict, tt.loopback, tt.inner}; got != want {
			t.Errorf("%s: strict, loopback, private = %v, want %v", tt.ip, got, want)
		}
	}
	if allowed(netip.MustParseAddr("2606:4700::1111%eth0"), true, true) {
		t.Error("an address with a zone is allowed")
	}
	for _, address := range []string{"", "8.8.8.8", "name:443"} {
		if err := checkAddress("tcp4", address, true, true); !errors.Is(err, ErrRefused) {
			t.Errorf("address %q: %v", address, err)
		}
	}
	if err := checkAddress("udp4", "8.8.8.8:53", true, true); !errors.Is(err, ErrRefused) {
		t.Errorf("udp: %v", err)
	}
}
