package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestFlat: the memory is read while clients sign in, refresh and check.
func TestFlat(t *testing.T) {
	var out bytes.Buffer
	if err := flat([]string{"-server", "postern-memory", "-for", "4s", "-every", "100ms", "-workers", "2", "-pause", "50ms"}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "times the memory of the second") || strings.Contains(out.String(), " 0 of them sign-ins") {
		t.Errorf("nobody signed in, or there is no comparison:\n%s", out.String())
	}
}

// TestFlat_Disrupted: no session is lost while a server is killed, restarted and without its store. The second failure
// of each run meets sessions whose refresh token is exchanged, because that was made more than 30 seconds before.
func TestFlat_Disrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for server, ways := range map[string]string{"postern": "lock,kill,restart", "postern-postgres": "cut,stop,stall"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := flat([]string{"-server", server, "-ways", ways, "-disrupt", "16s", "-for", "56s", "-every", "1s", "-outage", "6s", "-held", "40", "-workers", "2"}, &out)
			if errors.Is(err, testserver.ErrNoPostgres) {
				testneed.Skip(t, err.Error())
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "sessions lost: 0 of 2 that workers used and 52 that were held") || strings.Contains(out.String(), "\t0\n") {
				t.Errorf("the run is not whole:\n%s", out.String())
			}
			t.Log("\n" + out.String())
		})
	}
}

// TestFlat_Lost: a session that a failure takes away fails the run.
func TestFlat_Lost(t *testing.T) {
	dir := t.TempDir()
	f, err := newFragile(dir, "postern")
	if err != nil {
		t.Fatal(err)
	}
	defer f.stop()
	f.failures["lose"] = func(ctx context.Context, _ time.Duration) error {
		db, err := sql.Open("sqlite", sqlstore.DSN(dir+"/postern.db"))
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, "DELETE FROM postern_items WHERE part >= 'session:' AND part < 'session:M'") // some of them
		return err
	}
	err = disrupted(new(bytes.Buffer), f, disruption{
		ways: "lose", lasts: 30 * time.Second, every: 200 * time.Millisecond, pause: time.Hour, workers: 1, disrupt: time.Second, held: 20,
	})
	if err == nil || !strings.Contains(err.Error(), `after "lose" number 1: a session is lost: `) {
		t.Errorf("the run ended with %v", err)
	}
}

// TestFlat_Slow: a server that is not back in time fails the run.
func TestFlat_Slow(t *testing.T) {
	d := &disruptor{state: "after a test", since: time.Now().Add(-recovery)}
	err := d.attempt(t.Context(), "verify", func(context.Context) error { return errors.New("nobody answers") })
	if err == nil || !strings.Contains(err.Error(), "after a test") || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("an error long after a failure: %v", err)
	}
	d.set("after another", time.Time{})
	tries := 0
	err = d.attempt(t.Context(), "verify", func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("nobody answers")
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("during a failure: %v after %d tries", err, tries)
	}
	err = d.attempt(t.Context(), "refresh", func(context.Context) error {
		return &badAnswer{"https://example.com/token", 400, []byte(`{"error":"invalid_grant"}`)}
	})
	if err == nil || !strings.Contains(err.Error(), "a session is lost") {
		t.Errorf("a refused refresh during a failure: %v", err)
	}
}
