package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/posternauth/postern/store"
)

// Store returns a store that makes a span of each operation of s and measures it. The attributes are the name of the
// operation, the number of items, and for a failure error.type: conflict, invalid, local, canceled, timeout or
// unavailable. A conflict is usual, and its span has no status of an error.
func (t *Telemetry) Store(s store.Store) store.Store { return &observed{s, t} }

// observed is a store with spans. Unwrap keeps store.WritesTwoParts working.
type observed struct {
	inner store.Store
	t     *Telemetry
}

func (o *observed) Unwrap() store.Store { return o.inner }

// begin begins an operation over n items. The caller calls the function that it returns with the outcome.
func (o *observed) begin(ctx context.Context, operation string, n int) (context.Context, func(error)) {
	begun := time.Now()
	name := attribute.String("db.operation.name", operation)
	ctx, span := o.t.tracer.Start(ctx, "store "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(name, attribute.Int("db.operation.batch.size", n)))
	return ctx, func(err error) {
		attributes := []attribute.KeyValue{name}
		if err != nil {
			kind := attribute.String("error.type", typeOf(err))
			attributes = append(attributes, kind)
			span.SetAttributes(kind)
			if !errors.Is(err, store.ErrConflict) {
				span.SetStatus(codes.Error, "") // the text of err can have keys
			}
		}
		span.End()
		o.t.operations.Record(ctx, time.Since(begun).Seconds(), metric.WithAttributes(attributes...))
	}
}

func typeOf(err error) string {
	switch {
	case errors.Is(err, store.ErrConflict):
		return "conflict"
	case errors.Is(err, store.ErrInvalid):
		return "invalid"
	case errors.Is(err, store.ErrLocal):
		return "local"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "unavailable"
}

// Get is store.Store's.
func (o *observed) Get(ctx context.Context, keys ...store.Key) (items []store.Item, err error) {
	ctx, end := o.begin(ctx, "get", len(keys))
	defer func() { end(err) }()
	return o.inner.Get(ctx, keys...)
}

// Write is store.Store's.
func (o *observed) Write(ctx context.Context, changes ...store.Change) (err error) {
	ctx, end := o.begin(ctx, "write", len(changes))
	defer func() { end(err) }()
	return o.inner.Write(ctx, changes...)
}

// Add is store.Store's.
func (o *observed) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (sum int64, err error) {
	ctx, end := o.begin(ctx, "add", 1)
	defer func() { end(err) }()
	return o.inner.Add(ctx, k, delta, expires)
}

// List is store.Store's.
func (o *observed) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	ctx, end := o.begin(ctx, "list", limit)
	defer func() { end(err) }()
	return o.inner.List(ctx, part, after, limit)
}
