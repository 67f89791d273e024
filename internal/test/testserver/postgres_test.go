package testserver_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posternauth/postern/internal/test/testserver"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) // of no matter where the server has gone
	return conn
}

func TestPostgres(t *testing.T) {
	for _, o := range []testserver.PostgresOptions{{}, {Fsync: true}} {
		p := testserver.PostgresWith(t, o)
		db := connect(t, p.DSN())
		want := map[bool]string{false: "off", true: "on"}[o.Fsync]
		for setting, want := range map[string]string{"fsync": want, "lc_collate": "C", "server_encoding": "UTF8", "listen_addresses": "127.0.0.1"} {
			var got string
			if err := db.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, %v; want %q", setting, got, err, want)
			}
		}
		if err := p.Start(); err != nil {
			t.Errorf("Start of a running server: %v", err)
		}
	}
}

// A crash ends every connection at once, and what was committed is there after the next start, at the same address.
func TestPostgres_Kill(t *testing.T) {
	p := testserver.Postgres(t)
	dsn := p.DSN()
	if _, err := connect(t, dsn).Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		db := connect(t, p.DSN())
		if _, err := db.Exec(t.Context(), "INSERT INTO t VALUES ($1)", n); err != nil {
			t.Fatal(err)
		}
		busy := make(chan error, 1)
		go func() {
			_, err := db.Exec(t.Context(), "SELECT pg_sleep(600)")
			busy <- err
		}()
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := <-busy; err == nil {
			t.Error("a statement outlived the server")
		}
		if err := p.Kill(); err != nil {
			t.Errorf("Kill of a dead server: %v", err)
		}
		if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
			conn.Close(t.Context())
			t.Error("the server still answers")
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := connect(t, p.DSN()).QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&rows); err != nil || rows != n+1 {
			t.Fatalf("%d rows, %v; want %d", rows, err, n+1)
		}
	}
	if p.DSN() != dsn {
		t.Errorf("the address changed from %s to %s", dsn, p.DSN())
	}
}

// Connections that are made at the moment of a crash end with it too, or the data would stay in use.
func TestPostgres_KillWhileConnecting(t *testing.T) {
	p := testserver.Postgres(t)
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var wg sync.WaitGroup
		connected := make(chan struct{}, 16)
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					conn, err := pgx.Connect(ctx, p.DSN())
					if err != nil {
						continue
					}
					select {
					case connected <- struct{}{}:
					default:
					}
					wg.Go(func() {
						_, _ = conn.Exec(ctx, "SELECT count(*) FROM generate_series(1, 1000000000000)") // until the kill
						conn.Close(context.Background())
					})
				}
			})
		}
		for range cap(connected) { // each connects twice, and goes on
			select {
			case <-connected:
			case <-ctx.Done():
				t.Fatal("nobody connects")
			}
		}
		killed := make(chan error, 1)
		go func() { killed <- p.Kill() }()
		select {
		case err := <-killed:
			if err != nil {
				t.Error(err)
			}
		case <-ctx.Done():
			t.Fatal("the server did not end within a minute")
		}
		cancel()
		wg.Wait()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// A program starts and closes a server without a test.
func TestStartPostgres(t *testing.T) {
	testserver.Postgres(t) // skips where there is none
	dir, err := os.MkdirTemp("", "postern-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	p, err := testserver.StartPostgres(dir, testserver.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if conn, err := net.DialTimeout("tcp", address.Host, time.Second); err == nil {
			conn.Close()
			t.Fatal("it listens after Close")
		}
	}
	if _, err := testserver.StartPostgres("/nonexistent", testserver.PostgresOptions{}); err == nil {
		t.Error("a server without a folder")
	}
}

// The CPU time of the server is that of its processes for all connections.
func TestPostgres_CPU(t *testing.T) {
	p := testserver.Postgres(t)
	db := connect(t, p.DSN())
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 1000000)"); err != nil {
		t.Fatal(err)
	}
	after, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if spent := after - before; spent < 10*time.Millisecond || spent > time.Minute {
		t.Errorf("a million rows took %v of CPU time", spent)
	}
}
