// Package emf writes counts of events, and the reports of the rotator, as CloudWatch embedded metric format: lines of
// JSON in the log of a Lambda function, of which CloudWatch makes metrics without a call to its API.
//
//	m, err := emf.New(emf.Config{Issuer: issuer, Out: os.Stdout})
//	session.Config{OnEvent: m.Event}
//	m.Flush() // at the end of each invocation: Lambda freezes the process after it
//
// The metrics are in the namespace Postern, with one dimension, Issuer. No line has a value about a person.
//
// The specification:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package emf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/posternauth/postern/session"
)

// Namespace is that of all metrics.
const Namespace = "Postern"

// A Name is that of a metric. Alarms name it, so it never changes.
type Name string

// The metrics.
const (
	SignIns         Name = "SignIns"         // sign-ins that succeeded
	SignInFailures  Name = "SignInFailures"  // sign-ins that failed
	Limited         Name = "Limited"         // clients and addresses over a limit
	SessionsEnded   Name = "SessionsEnded"   // sessions that ended, by whatever cause
	KeyAgeSeconds   Name = "KeyAgeSeconds"   // age of the newest key of the ring
	RotatorRuns     Name = "RotatorRuns"     // runs of the rotator
	RotatorFailures Name = "RotatorFailures" // runs of the rotator that failed
	Errors          Name = "Errors"          // answers with a status of 500 or more
)

// order is that of the metrics in a line.
var order = []Name{SignIns, SignInFailures, Limited, SessionsEnded, KeyAgeSeconds, RotatorRuns, RotatorFailures, Errors}

// ofEvent has the metric that an event counts in.
var ofEvent = map[string]Name{
	"sign-in": SignIns, "sign-in failed": SignInFailures, "limited": Limited, "session ended": SessionsEnded,
}

// Config is the configuration of New. Issuer and Out are required.
type Config struct {
	Issuer string    // value of the dimension: at most 1,024 ASCII characters, as CloudWatch allows
	Out    io.Writer // gets one line for each Flush, in one Write: standard output on Lambda

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// Metrics are the counts since the last Flush. They are safe for concurrent use.
type Metrics struct {
	c Config

	mu     sync.Mutex
	values map[Name]float64
}

// New returns metrics without a value.
func New(c Config) (*Metrics, error) {
	if c.Issuer == "" || c.Out == nil {
		return nil, errors.New("emf: Config needs an Issuer and an Out")
	}
	if len(c.Issuer) > 1024 {
		return nil, errors.New("emf: the Issuer is longer than the value of a dimension: 1,024 characters")
	}
	for i := range len(c.Issuer) {
		if c.Issuer[i] <= ' ' || c.Issuer[i] >= 0x7f {
			return nil, errors.New("emf: the Issuer is not a URL of ASCII characters")
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Metrics{c: c, values: map[Name]float64{}}, nil
}

// Event counts an event. Most events count in no metric.
func (m *Metrics) Event(_ context.Context, e session.Event) {
	if name, ok := ofEvent[e.Name]; ok {
		m.add(name, 1)
	}
}

// Failed counts an answer with a status of 500 or more, or another failure of the function.
func (m *Metrics) Failed() { m.add(Errors, 1) }

// KeyAge sets the age of the newest key of the ring.
func (m *Metrics) KeyAge(age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[KeyAgeSeconds] = age.Seconds()
}

// Rotated counts a run of the rotator. err is that of the run; nil is a success, also if nothing was due. A success
// writes RotatorFailures with 0, so that an alarm on it has data.
func (m *Metrics) Rotated(err error) {
	m.add(RotatorRuns, 1)
	failures := 0.0
	if err != nil {
		failures = 1
	}
	m.add(RotatorFailures, failures)
}

func (m *Metrics) add(name Name, n float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] += n
}

// A definition describes a metric, as the specification has it.
type definition struct {
	Name Name
	Unit string
}

// A directive names the metrics of a line.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type metadata struct {
	Timestamp         int64 // milliseconds
	CloudWatchMetrics []directive
}

// Flush writes the metrics that have a value as one line, and begins anew. Without a value it writes nothing. If the
// write fails, the values stay for the next Flush.
func (m *Metrics) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := directive{Namespace: Namespace, Dimensions: [][]string{{"Issuer"}}}
	line := map[string]any{"Issuer": m.c.Issuer}
	for _, name := range order {
		value, ok := m.values[name]
		if !ok {
			continue
		}
		unit := "Count"
		if name == KeyAgeSeconds {
			unit = "Seconds"
		}
		d.Metrics = append(d.Metrics, definition{name, unit})
		line[string(name)] = value
	}
	if len(d.Metrics) == 0 {
		return nil
	}
	line["_aws"] = metadata{m.c.Now().UnixMilli(), []directive{d}}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("emf: encoding the metrics: %w", err)
	}
	if _, err := m.c.Out.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("emf: writing the metrics: %w", err)
	}
	clear(m.values)
	return nil
}

// Close flushes.
func (m *Metrics) Close() error { return m.Flush() }
