package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store/sqlstore"
)

// A fragile is a `postern serve` that can be killed and started anew, over a store that can fail.
type fragile struct {
	*posternLoad
	name     string
	all      []string // the ways of failing that suit it
	failures map[string]failure
	end      []func()

	mu    sync.Mutex
	lives []*life
}

// A failure returns when a new process is started, or when the store is back after a time.
type failure func(ctx context.Context, hold time.Duration) error

// A life is one process of the server.
type life struct {
	cmd      *exec.Cmd
	ended    chan struct{}
	began    time.Time
	readings []float64 // of its memory, in bytes
}

// newFragile starts a server, with people who have accounts.
func newFragile(dir, server string) (f *fragile, err error) {
	f = new(fragile)
	f.failures = map[string]failure{
		"kill":    func(context.Context, time.Duration) error { return f.again(syscall.SIGKILL) },
		"restart": func(context.Context, time.Duration) error { return f.again(syscall.SIGTERM) },
	}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	var store string
	switch server {
	case "postern":
		store = f.onSQLite(dir + "/postern.db")
	case "postern-postgres":
		if store, err = f.onPostgres(dir); err != nil {
			return f, err
		}
	default:
		return f, fmt.Errorf("server %q cannot be disrupted: choose postern or postern-postgres", server)
	}
	if f.posternLoad, err = newPosternLoad(dir, store); err != nil {
		return f, err
	}
	f.end = append(f.end, f.close)
	if err := f.start(); err != nil {
		return f, err
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := answered(http.Get(f.ready()))
		if err == nil {
			break
		}
		if time.Now().After(limit) {
			return f, err
		}
	}
	return f, f.signUpAll()
}

// onSQLite lets another program hold up all writes.
func (f *fragile) onSQLite(file string) string {
	f.name, f.all = "postern serve, sqlite", []string{"kill", "restart", "lock"}
	f.failures["lock"] = func(ctx context.Context, hold time.Duration) error {
		db, err := sql.Open("sqlite", sqlstore.DSN(file))
		if err != nil {
			return err
		}
		defer db.Close()
		tx, err := db.BeginTx(ctx, nil) // IMMEDIATE, by the DSN
		if err != nil {
			return err
		}
		pauseFor(ctx, hold)
		return tx.Rollback()
	}
	return "sqlite:" + file
}

// onPostgres cuts the connections and refuses new ones, keeps their bytes back, and kills the database.
func (f *fragile) onPostgres(dir string) (dsn string, err error) {
	db, err := testserver.StartPostgres(dir, testserver.PostgresOptions{Fsync: true})
	if err != nil {
		return "", err
	}
	f.end = append(f.end, func() { _ = db.Close() })
	u, err := url.Parse(db.DSN())
	if err != nil {
		return "", err
	}
	relay, err := testserver.NewRelay(u.Host)
	if err != nil {
		return "", err
	}
	f.end = append(f.end, relay.Close)
	u.Host = relay.Addr()
	while := func(set func(bool)) failure {
		return func(ctx context.Context, hold time.Duration) error {
			set(true)
			pauseFor(ctx, hold)
			set(false)
			return nil
		}
	}
	f.name, f.all = "postern serve, postgres", []string{"cut", "stall", "stop"}
	f.failures["cut"], f.failures["stall"] = while(relay.Cut), while(relay.Stall)
	f.failures["stop"] = func(ctx context.Context, hold time.Duration) error {
		err := db.Kill()
		pauseFor(ctx, hold)
		return cmp.Or(db.Start(), err)
	}
	return u.String(), nil
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// start starts a process, and does not wait until it answers.
func (f *fragile) start() error {
	l := &life{cmd: f.command(), ended: make(chan struct{}), began: time.Now()}
	if err := l.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = l.cmd.Wait() // how it ended is in ProcessState
		close(l.ended)
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives = append(f.lives, l)
	return nil
}

// again ends the process with a signal, and starts another one.
func (f *fragile) again(sig os.Signal) error {
	l := f.now()
	if err := l.cmd.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case <-l.ended:
	case <-time.After(time.Minute):
		return fmt.Errorf("the server does not end on %v", sig)
	}
	if sig == syscall.SIGTERM && !l.cmd.ProcessState.Success() {
		return fmt.Errorf("the server ended with %v", l.cmd.ProcessState)
	}
	return f.start()
}

func (f *fragile) now() *life {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lives[len(f.lives)-1]
}

// read reads the memory of the process, if there is one.
func (f *fragile) read() {
	l := f.now()
	bytes, err := residentOf(l.cmd.Process.Pid)
	if err != nil {
		return // it was just killed, or the workers find that it is gone
	}
	l.readings = append(l.readings, bytes)
}

func (f *fragile) stop() {
	if len(f.lives) > 0 {
		l := f.now()
		_ = l.cmd.Process.Kill()
		<-l.ended
	}
	for i := len(f.end) - 1; i >= 0; i-- {
		f.end[i]()
	}
}
