package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// keyEvery is how often the age of the keys is read: each read is a call to the vault, which may cost money.
const keyEvery = time.Minute

// house collects what must be asked for at the moment of a scrape.
type house struct {
	cfg Config

	mu      sync.Mutex // one scrape asks at a time
	asked   time.Time  // when the vault was asked last
	created time.Time  // of the newest key; zero: not known yet
}

var (
	storeUp = prometheus.NewDesc("postern_store_up", "1 if the store answers and takes writes, else 0.", nil, nil)
	lost    = prometheus.NewDesc("postern_audit_lost_total", "Events that a sink of the audit log lost.", []string{"sink"}, nil)
	keyAge  = prometheus.NewDesc("postern_key_age_seconds", "Age of the newest key of the ring. Where keys of KMS sign, it signs nothing.", nil, nil)
)

// Describe is for the registry.
func (h *house) Describe(out chan<- *prometheus.Desc) {
	out <- storeUp
	out <- lost
	out <- keyAge
}

// Collect asks the store and, if the answer is old, the vault.
func (h *house) Collect(out chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if h.cfg.StoreUp != nil {
		up := 0.
		if h.cfg.StoreUp(ctx) == nil {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, up)
	}
	if h.cfg.Lost != nil {
		for sink, n := range h.cfg.Lost() {
			out <- prometheus.MustNewConstMetric(lost, prometheus.CounterValue, float64(n), sink)
		}
	}
	if h.cfg.KeyCreated == nil {
		return
	}
	now := h.cfg.Now()
	if h.asked.IsZero() || now.Sub(h.asked) >= keyEvery {
		h.asked = now
		if created, err := h.cfg.KeyCreated(ctx); err == nil { // else the age of the last answer goes on growing
			h.created = created
		}
	}
	if !h.created.IsZero() {
		out <- prometheus.MustNewConstMetric(keyAge, prometheus.GaugeValue, now.Sub(h.created).Seconds())
	}
}
