// Package metrics counts what a server of Postern does, and serves the sums as Prometheus text.
//
// Every label has a bounded number of values, whatever clients send: a request counts under the template of its
// route, never under its path, and its method is no label. Names of events and providers, which come from the program
// and its configuration, are bounded too.
package metrics

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/posternauth/postern/internal/routes"
	"github.com/posternauth/postern/session"
)

// Other is the value of a label that stands for everything that has no value among the bounded ones.
const Other = routes.Other

// maxValues bounds the values of a label whose values come from the program or its configuration.
const maxValues = 128

// scrapeTimeout is how long a scrape waits for the store and for the vault. Prometheus gives up after ten seconds.
const scrapeTimeout = 2 * time.Second

// Config says what the metrics describe. All fields are optional.
type Config struct {
	// Version of the program, for postern_build_info.
	Version string

	// StoreUp returns nil if the store answers and takes writes. It is called at each scrape, for postern_store_up.
	//
	// Defaults to none: the metric is absent.
	StoreUp func(ctx context.Context) error

	// KeyCreated returns when the newest key of the ring was made. It is called at a scrape, at most once a minute, for
	// postern_key_age_seconds.
	//
	// Defaults to none: the metric is absent.
	KeyCreated func(ctx context.Context) (time.Time, error)

	// Lost returns how many events each sink of the audit log has lost since the start of the process, by the name of
	// the sink. It is called at each scrape, for postern_audit_lost_total.
	//
	// Defaults to none: the metric is absent.
	Lost func() map[string]uint64

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A Set is the metrics of one process. It is safe for concurrent use.
type Set struct {
	registry *prometheus.Registry
	now      func() time.Time

	signIns, events, requests, reloads *prometheus.CounterVec
	seconds                            *prometheus.HistogramVec
	inFlight                           prometheus.Gauge
	panics                             prometheus.Counter
	loaded                             prometheus.Gauge

	providers, names bounded
}

// buckets of a request in seconds. A check takes well below a millisecond, a password about 50 ms, a provider's answer
// up to ten seconds.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New returns the metrics of a process that begins.
func New(c Config) *Set {
	if c.Now == nil {
		c.Now = time.Now
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	s := &Set{
		registry: prometheus.NewRegistry(), now: c.Now,
		signIns:  counter("postern_sign_ins_total", "Sign-ins that ended, by provider and outcome: success or failure.", "provider", "outcome"),
		events:   counter("postern_events_total", "Events of the audit log, by name.", "event"),
		requests: counter("postern_http_requests_total", "Answers of the public listener, by template of the route and status.", "route", "status"),
		reloads:  counter("postern_config_reloads_total", "Reloads of the configuration, by outcome: success or failure.", "outcome"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "postern_http_request_seconds",
			Help: "Time from the header of a request to the end of the answer, by template of the route.", Buckets: buckets}, []string{"route"}),
		inFlight: gauge("postern_http_requests_in_flight", "Requests of the public listener that are being answered."),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "postern_http_panics_total", Help: "Requests that ended in a panic. Each is a bug."}),
		loaded:   gauge("postern_config_loaded_timestamp_seconds", "When the configuration that serves was loaded."),
	}
	s.registry.MustRegister(
		s.signIns, s.events, s.requests, s.reloads, s.seconds, s.inFlight, s.panics, s.loaded,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postern_build_info", Help: "Always 1: the labels are what matters.",
			ConstLabels: prometheus.Labels{"version": c.Version, "goversion": runtime.Version()}}, func() float64 { return 1 }),
		&house{cfg: c},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, outcome := range []string{"success", "failure"} { // an alarm on a rate needs the zero before the first failure
		s.reloads.WithLabelValues(outcome)
	}
	return s
}

// Handler serves the metrics as text for Prometheus.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry, MaxRequestsInFlight: 4})
}

// Event counts an event of the audit log.
func (s *Set) Event(_ context.Context, e session.Event) {
	s.events.WithLabelValues(s.names.value(e.Name)).Inc()
	switch e.Name {
	case "sign-in":
		s.signIns.WithLabelValues(s.providers.value(cmp.Or(e.Provider, "none")), "success").Inc()
	case "sign-in failed":
		s.signIns.WithLabelValues(s.providers.value(cmp.Or(e.Provider, "none")), "failure").Inc()
	}
}

// Begin counts a request that begins. The caller calls the function that it returns once, when the answer has ended,
// with the template of the route and the status.
func (s *Set) Begin() func(route string, status int) {
	s.inFlight.Inc()
	begun := s.now()
	return func(route string, status int) {
		s.inFlight.Dec()
		code := Other
		if status >= 100 && status < 600 {
			code = strconv.Itoa(status)
		}
		s.requests.WithLabelValues(route, code).Inc()
		s.seconds.WithLabelValues(route).Observe(s.now().Sub(begun).Seconds())
	}
}

// Panicked counts a request that ended in a panic.
func (s *Set) Panicked() { s.panics.Inc() }

// Loaded notes that the configuration that serves was loaded now.
func (s *Set) Loaded() { s.loaded.Set(float64(s.now().UnixMilli()) / 1000) }

// Reloaded counts a reload.
func (s *Set) Reloaded(ok bool) {
	outcome := "failure"
	if ok {
		outcome = "success"
		s.Loaded()
	}
	s.reloads.WithLabelValues(outcome).Inc()
}

// bounded are the values of a label: the first maxValues that came. All others are Other.
type bounded struct {
	mu     sync.Mutex
	values map[string]bool
}

func (b *bounded) value(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.values[v]:
		return v
	case len(b.values) >= maxValues || len(v) > 64:
		return Other
	}
	if b.values == nil {
		b.values = map[string]bool{}
	}
	b.values[v] = true
	return v
}
