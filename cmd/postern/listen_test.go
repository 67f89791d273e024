package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDev_URLs: the name of the server is one that can be an issuer, at any port.
func TestDev_URLs(t *testing.T) {
	for port, want := range map[int]string{
		80: "http://localhost", 8420: "http://localhost:8420", 443: "http://localhost:443", 65535: "http://localhost:65535",
	} {
		got := siteURL(port)
		if got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
		d, err := openDev(t.Context(), folder(filepath.Join(t.TempDir(), "data")), got, world{strings.NewReader(""), io.Discard, io.Discard, time.Now})
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		d.close()
	}
}

// TestDev_HalfARequest: Ctrl-C does not wait long for a client that began a request and sends no more of it.
func TestDev_HalfARequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(http.NotFoundHandler(), io.Discard)
	connected := make(chan struct{}, 1)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connected <- struct{}{}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, []net.Listener{l}, server) }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: loc"); err != nil {
		t.Fatal(err)
	}
	<-connected
	start := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > patience+2*time.Second { // a busy machine has its share
		t.Errorf("it ended after %v, want %v", took, patience)
	}
}

// TestDev_Inbox: the way there is the way back.
func TestDev_Inbox(t *testing.T) {
	const url = "http://localhost:8420"
	d, err := openDev(t.Context(), folder(filepath.Join(t.TempDir(), "data")), url, world{strings.NewReader(""), io.Discard, io.Discard, time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for path, link := range map[string]string{"/": `href="/inbox"`, "/inbox": `href="/"`} {
		rec := httptest.NewRecorder()
		d.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url+path, nil))
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), link) {
			t.Errorf("%s has no link %s: %d\n%s", path, link, rec.Code, rec.Body)
		}
	}
}
