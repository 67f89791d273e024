// Package telemetry gives traces and metrics of Postern to OpenTelemetry: a span for each request of the handler and
// for each operation of the store, their durations, and counts of events.
//
//	t, err := telemetry.New(telemetry.Config{TracerProvider: tracers, MeterProvider: meters, Route: route})
//	sessions, err := session.New(session.Config{Store: t.Store(st), OnEvent: t.Event, …})
//	http.Handle("/auth/", t.Handler(auth))
//
// The program makes the providers, with the SDK and the exporter of its choice, and shuts them down. This package links
// the interfaces of OpenTelemetry alone, and uses no global provider.
//
// No span and no metric has a token, a code, an address of a person or a client, a user, a subject or a key of the
// store. Every attribute has a bounded number of values, whatever clients send.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	nometric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	notrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/posternauth/postern/session"
)

const scope = "github.com/posternauth/postern/telemetry"

// other is the value of an attribute beyond the bounded ones.
const other = "other"

// Config is the configuration of New. Set at least one of the providers.
type Config struct {
	// TracerProvider makes the spans.
	//
	// Defaults to no spans.
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics.
	//
	// Defaults to no metrics.
	MeterProvider metric.MeterProvider

	// Route returns the template of the route of a request, such as "/auth/{provider}/callback", from a bounded set. It
	// never returns the path. See Routes.
	//
	// Defaults to "other" for all.
	Route func(r *http.Request) string

	// Propagator reads the trace of the caller from the headers of a request. Set it only behind a proxy that removes
	// such headers from outside, or clients choose which requests are recorded.
	//
	// Defaults to a new trace for each request.
	Propagator propagation.TextMapPropagator
}

// Telemetry makes spans and metrics. It is safe for concurrent use.
type Telemetry struct {
	c      Config
	tracer trace.Tracer

	requests, operations metric.Float64Histogram
	events, signIns      metric.Int64Counter

	names, providers bounded
}

// New returns a Telemetry. Errors are those of the MeterProvider, and of a Config without a provider.
func New(c Config) (*Telemetry, error) {
	if c.TracerProvider == nil && c.MeterProvider == nil {
		return nil, errors.New("telemetry: Config needs a TracerProvider or a MeterProvider")
	}
	if c.TracerProvider == nil {
		c.TracerProvider = notrace.NewTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = nometric.NewMeterProvider()
	}
	if c.Route == nil {
		c.Route = func(*http.Request) string { return other }
	}
	t := &Telemetry{c: c, tracer: c.TracerProvider.Tracer(scope)}
	meter := c.MeterProvider.Meter(scope)
	var errs [4]error
	t.requests, errs[0] = meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP server requests."), metric.WithExplicitBucketBoundaries(buckets...))
	t.operations, errs[1] = meter.Float64Histogram("postern.store.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of operations of the store."), metric.WithExplicitBucketBoundaries(buckets...))
	t.events, errs[2] = meter.Int64Counter("postern.events", metric.WithUnit("{event}"), metric.WithDescription("Events of the audit log, by name."))
	t.signIns, errs[3] = meter.Int64Counter("postern.sign_ins", metric.WithUnit("{sign_in}"),
		metric.WithDescription("Sign-ins that ended, by provider and outcome: success or failure."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return t, nil
}

// buckets are in seconds. Those from 0.005 on are the ones that OpenTelemetry recommends for HTTP; a check of a token
// takes less.
var buckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// Event counts an event, for [session.Config].OnEvent, and adds its name to the span of the request.
func (t *Telemetry) Event(ctx context.Context, e session.Event) {
	name := t.names.value(e.Name)
	t.events.Add(ctx, 1, metric.WithAttributes(attribute.String("postern.event", name)))
	outcome := ""
	switch e.Name {
	case "sign-in":
		outcome = "success"
	case "sign-in failed":
		outcome = "failure"
	}
	if outcome != "" {
		provider := t.providers.value(cmp.Or(e.Provider, "none"))
		t.signIns.Add(ctx, 1, metric.WithAttributes(attribute.String("postern.provider", provider), attribute.String("postern.outcome", outcome)))
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(name)
	}
}

// maxValues bounds the values of an attribute that come from the program, such as the names of events.
const maxValues = 128

// bounded lets the first maxValues values through. The others are other.
type bounded struct {
	mu   sync.RWMutex
	seen map[string]bool
}

func (b *bounded) value(s string) string {
	b.mu.RLock()
	known, full := b.seen[s], len(b.seen) >= maxValues
	b.mu.RUnlock()
	if known {
		return s
	}
	if full || len(s) > 64 {
		return other
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	if !b.seen[s] && len(b.seen) >= maxValues {
		return other
	}
	b.seen[s] = true
	return s
}
