package emf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve/emf"
	"github.com/posternauth/postern/session"
)

const issuer = "https://api.example.com/auth"

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func metrics(t *testing.T, c emf.Config) *emf.Metrics {
	t.Helper()
	c.Issuer, c.Now = issuer, func() time.Time { return noon }
	m, err := emf.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFlush_Line: one line for an invocation, in the form of the specification, and nothing that is about a person.
func TestFlush_Line(t *testing.T) {
	var out bytes.Buffer
	m := metrics(t, emf.Config{Out: &out})
	if err := m.Flush(); err != nil || out.Len() != 0 {
		t.Fatalf("a line without values: %s, %v", out.String(), err)
	}
	for _, name := range []string{"sign-in", "sign-in", "sign-in failed", "limited", "session ended", "session refreshed"} {
		m.Event(t.Context(), session.Event{Name: name, UserID: "canary", Subject: "canary", Addr: "canary", Agent: "canary", Reason: "canary", Err: errors.New("canary")})
	}
	m.KeyAge(36*time.Hour + 500*time.Millisecond)
	m.Rotated(nil)
	m.Rotated(errors.New("canary"))
	m.Failed()
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `{"Errors":1,"Issuer":"https://api.example.com/auth","KeyAgeSeconds":129600.5,"Limited":1,"RotatorFailures":1,"RotatorRuns":2,` +
		`"SessionsEnded":1,"SignInFailures":1,"SignIns":2,"_aws":{"Timestamp":1795867200000,"CloudWatchMetrics":[{"Namespace":"Postern",` +
		`"Dimensions":[["Issuer"]],"Metrics":[{"Name":"SignIns","Unit":"Count"},{"Name":"SignInFailures","Unit":"Count"},{"Name":"Limited","Unit":"Count"},` +
		`{"Name":"SessionsEnded","Unit":"Count"},{"Name":"KeyAgeSeconds","Unit":"Seconds"},{"Name":"RotatorRuns","Unit":"Count"},` +
		`{"Name":"RotatorFailures","Unit":"Count"},{"Name":"Errors","Unit":"Count"}]}]}}` + "\n"
	if out.String() != want {
		t.Errorf("got %s", out.String())
	}
	conforms(t, out.Bytes())
	out.Reset()
	if err := m.Flush(); err != nil || out.Len() != 0 {
		t.Errorf("the values come again: %s, %v", out.String(), err)
	}
	m.Rotated(nil)
	if err := m.Close(); err != nil || !strings.Contains(out.String(), `"RotatorFailures":0`) {
		t.Errorf("an alarm has no data: %s, %v", out.String(), err)
	}
	conforms(t, out.Bytes())
}

// conforms checks a line against the rules of the specification: the members of its objects, the target members, and
// the limits.
func conforms(t *testing.T, line []byte) {
	t.Helper()
	var root map[string]json.RawMessage
	if err := json.Unmarshal(line, &root); err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	strict := json.NewDecoder(bytes.NewReader(root["_aws"]))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&meta); err != nil || meta.Timestamp < 1e12 || len(meta.CloudWatchMetrics) != 1 {
		t.Fatalf("%+v, %v", meta, err)
	}
	d := meta.CloudWatchMetrics[0]
	if d.Namespace != "Postern" || len(d.Dimensions) != 1 || len(d.Dimensions[0]) > 30 || len(d.Metrics) == 0 || len(d.Metrics) > 100 {
		t.Fatalf("%+v", d)
	}
	members := map[string]bool{"_aws": true}
	for _, name := range d.Dimensions[0] {
		var value string
		if err := json.Unmarshal(root[name], &value); err != nil || value == "" || len(value) > 1024 {
			t.Errorf("the dimension %s is %s: %v", name, root[name], err)
		}
		members[name] = true
	}
	for _, m := range d.Metrics {
		var value float64
		if err := json.Unmarshal(root[m.Name], &value); err != nil || m.Unit != "Count" && m.Unit != "Seconds" || members[m.Name] {
			t.Errorf("the metric %s is %s: %v", m.Name, root[m.Name], err)
		}
		members[m.Name] = true
	}
	for name := range root {
		if !members[name] {
			t.Errorf("the member %s belongs to no metric", name)
		}
	}
}

type brokenPipe struct{ bytes.Buffer }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.Len() == 0 {
		b.WriteByte(' ')
		return 0, os.ErrClosed
	}
	return b.Buffer.Write(p)
}

// TestFlush_Fails: what could not be written is in the next line.
func TestFlush_Fails(t *testing.T) {
	out := &brokenPipe{}
	m := metrics(t, emf.Config{Out: out})
	m.Failed()
	if err := m.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("got %v", err)
	}
	m.Failed()
	if err := m.Flush(); err != nil || !strings.Contains(out.String(), `"Errors":2`) {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestEvent_Concurrent: no count is lost between lines.
func TestEvent_Concurrent(t *testing.T) {
	var out bytes.Buffer // Flush writes one line at a time
	m := metrics(t, emf.Config{Out: &out})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 1000 {
				m.Event(context.Background(), session.Event{Name: "sign-in"})
			}
			if err := m.Flush(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := 0
	for line := range strings.Lines(out.String()) {
		var got struct{ SignIns int }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		sum += got.SignIns
	}
	if sum != 10_000 {
		t.Errorf("counted %d", sum)
	}
}

// TestNew_Refuses: an issuer that CloudWatch would not take as a dimension.
func TestNew_Refuses(t *testing.T) {
	for _, bad := range []string{"", "https://ex ample", "https://ëxample", "https://" + strings.Repeat("a", 1024)} {
		if _, err := emf.New(emf.Config{Issuer: bad, Out: &bytes.Buffer{}}); err == nil {
			t.Errorf("%.20q: accepted", bad)
		}
	}
	if _, err := emf.New(emf.Config{Issuer: issuer}); err == nil {
		t.Error("accepted without Out")
	}
}

func Example() {
	m, err := emf.New(emf.Config{Issuer: issuer, Out: os.Stdout, Now: func() time.Time { return noon }})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Event(context.Background(), session.Event{Name: "sign-in"})
	if err := m.Flush(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"Issuer":"https://api.example.com/auth","SignIns":1,"_aws":{"Timestamp":1795867200000,"CloudWatchMetrics":[{"Namespace":"Postern","Dimensions":[["Issuer"]],"Metrics":[{"Name":"SignIns","Unit":"Count"}]}]}}
}
