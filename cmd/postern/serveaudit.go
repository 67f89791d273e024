package main

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/audit"
	server "github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/session"
)

// auditSinks are the audit files that the houses of this process have open. One process at a time writes a file, and
// during a reload two houses of this one do.
type auditSinks struct {
	mu    sync.Mutex // of files alone
	files map[string]*auditPath

	counting                 sync.Mutex // held for no disk and no network: an alarm waits for it
	counted                  map[*audit.File]bool
	hooks                    map[*audit.Webhook]bool // those of houses that are open
	lostInFiles, lostInHooks uint64                  // by sinks that are closed

	memory server.Memory // what else a reload keeps
}

// An auditPath is where a file is, or was.
type auditPath struct {
	mu   sync.Mutex  // held while the file is opened or closed, also on a disk that hangs: other paths do not wait
	file *sharedFile // nil: none is open
}

type sharedFile struct {
	*audit.File
	key   []byte
	users int

	stop    context.CancelFunc // of what works beside events
	running sync.WaitGroup
}

// open opens the sinks of a house. They work on their own until done is called.
func (s *auditSinks) open(a server.AuditRequest, logger *slog.Logger, now func() time.Time) (emit func(context.Context, session.Event), done func() error, err error) {
	var sinks []audit.Sink
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var closers []func() error
	done = func() error {
		stop()
		running.Wait()
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	if a.Log {
		l, err := audit.NewLog(audit.LogConfig{Logger: logger})
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		sinks = append(sinks, l)
	}
	if a.File != "" {
		f, err := s.file(a.File, a.Key, logger, now)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		sinks = append(sinks, f)
		closers = append(closers, func() error { return s.release(a.File) })
	}
	if a.Webhook != "" {
		hook, err := audit.NewWebhook(audit.WebhookConfig{URL: a.Webhook, Secrets: a.Secrets, Store: a.Store,
			OnEvent: audit.All(slices.Clone(sinks)...).Event, Logger: logger, Now: now})
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		sinks = append(sinks, hook)
		running.Go(func() { _ = hook.Run(ctx) }) // nil: it reports to the logger
		s.addHook(hook)
		closers = append(closers, hook.Close, func() error { s.removeHook(hook); return nil })
	}
	return audit.All(sinks...).Event, done, nil
}

// at returns the place of a path.
func (s *auditSinks) at(path string) *auditPath {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string]*auditPath{}
	}
	if s.files[path] == nil {
		s.files[path] = &auditPath{}
	}
	return s.files[path]
}

// file returns the open file of a path. A file keeps its key, so another one is refused now, not at the next start.
func (s *auditSinks) file(path, hexKey string, logger *slog.Logger, now func() time.Time) (audit.Sink, error) {
	at := s.at(path)
	at.mu.Lock()
	defer at.mu.Unlock()
	c := audit.FileConfig{Path: path, SyncEach: true, Logger: logger, Now: now}
	if hexKey != "" {
		key, err := audit.ParseKey(hexKey)
		if err != nil {
			return nil, fmt.Errorf("file_key: %w", err)
		}
		c.Key = key
	}
	if f := at.file; f != nil {
		if !hmac.Equal(f.key, c.Key) {
			return nil, fmt.Errorf("file_key cannot change for %s, which keeps its key: put the old key back, or name another file", path)
		}
		f.users++
		return f, nil
	}
	opened, err := audit.NewFile(c)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &sharedFile{File: opened, key: c.Key, users: 1, stop: stop}
	f.running.Go(func() { _ = opened.Run(ctx) }) // nil: it reports to the logger
	at.file = f
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.counted == nil {
		s.counted = map[*audit.File]bool{}
	}
	s.counted[opened] = true
	return f, nil
}

// release closes the file of a path when its last house is done.
func (s *auditSinks) release(path string) error {
	at := s.at(path)
	at.mu.Lock()
	defer at.mu.Unlock()
	f := at.file
	if f.users--; f.users > 0 {
		return nil
	}
	at.file = nil
	f.stop()
	f.running.Wait()
	err := f.Close()
	s.counting.Lock()
	defer s.counting.Unlock()
	delete(s.counted, f.File)
	s.lostInFiles += f.Stats().Lost
	return err
}

func (s *auditSinks) addHook(hook *audit.Webhook) {
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.hooks == nil {
		s.hooks = map[*audit.Webhook]bool{}
	}
	s.hooks[hook] = true
}

// removeHook keeps the count of a webhook that is done.
func (s *auditSinks) removeHook(hook *audit.Webhook) {
	s.counting.Lock()
	defer s.counting.Unlock()
	delete(s.hooks, hook)
	s.lostInHooks += lostBy(hook)
}

// lostBy returns the events that came to nobody: those that were not queued, and those that were given up.
func lostBy(hook *audit.Webhook) uint64 {
	stats := hook.Stats()
	return uint64(stats.Lost + stats.GivenUp)
}

// lostEvents returns the events that the sinks of this process have lost, also those of houses that are closed. It does
// not wait for a disk.
func (s *auditSinks) lostEvents() map[string]uint64 {
	s.counting.Lock()
	defer s.counting.Unlock()
	files, hooks := s.lostInFiles, s.lostInHooks
	for f := range s.counted {
		files += f.Stats().Lost
	}
	for hook := range s.hooks {
		hooks += lostBy(hook)
	}
	return map[string]uint64{"file": files, "webhook": hooks}
}
