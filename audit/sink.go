package audit

import (
	"context"
	"errors"
	"log/slog"

	"github.com/posternauth/postern/session"
)

// A Sink keeps events. Event is for [session.Config].OnEvent: it is safe for concurrent use, returns no error, because
// a sign-in does not fail when its event cannot be kept, and reports what it lost as the sink documents it. Close
// finishes what is under way; no Event may come after it.
type Sink interface {
	Event(ctx context.Context, e session.Event)
	Close() error
}

// All returns a sink that passes each event to all of the sinks, in their order. Its Close closes them in their order
// and returns their errors. All without sinks keeps nothing.
func All(sinks ...Sink) Sink { return all(sinks) }

type all []Sink

// Event passes the event on.
func (a all) Event(ctx context.Context, e session.Event) {
	for _, s := range a {
		s.Event(ctx, e)
	}
}

// Close closes all sinks.
func (a all) Close() error {
	var errs []error
	for _, s := range a {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// LogConfig is the configuration of NewLog. All fields are optional.
type LogConfig struct {
	// Logger gets a line for each event.
	//
	// Defaults to slog.Default() at the time of NewLog.
	Logger *slog.Logger

	// Level is that of the lines.
	//
	// Defaults to slog.LevelInfo.
	Level slog.Level
}

// A Log writes each event as one line of a structured log. The message is "audit", the time is that of the event, and
// the attributes have the names event, kind, subject, user, session, actor, provider, reason, address, agent and error.
// Those that are empty are left out.
type Log struct{ LogConfig }

// NewLog returns a sink for a log. It returns no error today.
func NewLog(c LogConfig) (*Log, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Log{c}, nil
}

// Event writes a line. An error of the handler of the Logger is dropped, as slog does.
func (l *Log) Event(ctx context.Context, e session.Event) {
	if !l.Logger.Enabled(ctx, l.Level) {
		return
	}
	n := entryOf(e)
	r := slog.NewRecord(n.Time, l.Level, "audit", 0)
	for _, f := range n.texts() {
		if *f.value != "" {
			r.AddAttrs(slog.String(f.name, *f.value))
		}
	}
	_ = l.Logger.Handler().Handle(ctx, r) // slog.Logger drops it, too
}

// Close does nothing.
func (l *Log) Close() error { return nil }
