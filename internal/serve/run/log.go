package run

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes lines of a format, "json" or "text", to out. Its level follows level. A line
// that belongs to a request has its id as "request".
func NewLogger(out io.Writer, format string, level slog.Leveler) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "", "json":
		return slog.New(withID{slog.NewJSONHandler(out, options)}), nil
	case "text":
		return slog.New(withID{slog.NewTextHandler(out, options)}), nil
	}
	return nil, fmt.Errorf("[log] format is %q: write json or text", format)
}

// ParseLevel reads debug, info, warn or error. Empty is info.
func ParseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("[log] level is %q: write debug, info, warn or error", text)
}

type idKey struct{}

// withID is a handler that adds the id of the request to each line.
type withID struct{ slog.Handler }

func (h withID) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(idKey{}).(string); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h withID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withID{h.Handler.WithAttrs(attrs)}
}

func (h withID) WithGroup(name string) slog.Handler { return withID{h.Handler.WithGroup(name)} }
