package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	secretNew = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	secretOld = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w="
)

// A delivery is a message as the receiver got it.
type delivery struct {
	id, typ string
	header  http.Header
	body    []byte
	data    struct {
		Sequence int64
		Event    string
		User     string
	}
}

// A receiver is a server that gets messages, and answers as the test wants.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []delivery
	answer func(d delivery, w http.ResponseWriter) // nil: 204
}

func newReceiver(t *testing.T) *receiver {
	rec := &receiver{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		d := delivery{id: r.Header.Get("Webhook-Id"), header: r.Header.Clone(), body: body}
		var m struct {
			Type string
			Data json.RawMessage
		}
		if err != nil || r.Method != http.MethodPost || json.Unmarshal(body, &m) != nil || json.Unmarshal(m.Data, &d.data) != nil {
			t.Errorf("%s with %s: %v", r.Method, body, err)
		}
		d.typ = m.Type
		rec.mu.Lock()
		rec.got = append(rec.got, d)
		answer := rec.answer
		rec.mu.Unlock()
		if answer != nil {
			answer(d, w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.got...)
}

// answers sets the answer of all requests from now on. 0 is the right one.
func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = func(_ delivery, w http.ResponseWriter) { w.WriteHeader(status) }
	if status == 0 {
		r.answer = nil
	}
}

// A sender is a webhook to a receiver, with a clock.
type sender struct {
	*audit.Webhook
	t     *testing.T
	c     audit.WebhookConfig
	rec   *receiver
	clock *testclock.Clock
	log   bytes.Buffer
}

func newSender(t *testing.T, change func(*audit.WebhookConfig)) *sender {
	s := &sender{t: t, rec: newReceiver(t), clock: testclock.New(start)}
	s.c = audit.WebhookConfig{
		URL: s.rec.URL + "/hooks/canary-path", Secrets: []string{secretNew}, Store: &store.Memory{Now: s.clock.Now}, AllowInsecure: true,
		Now: s.clock.Now, Logger: logTo(&s.log),
	}
	if change != nil {
		change(&s.c)
	}
	s.restart()
	return s
}

// restart replaces the webhook by one of a new process.
func (s *sender) restart() {
	s.t.Helper()
	w, err := audit.NewWebhook(s.c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Webhook = w
}

func (s *sender) events(n int) {
	for i := range n {
		s.Event(s.t.Context(), session.Event{Name: "sign-in", Time: start, UserID: fmt.Sprint(i)})
	}
}

func (s *sender) deliver() audit.Delivery {
	s.t.Helper()
	d, err := s.Deliver(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// TestWebhook_Message: what the receiver gets, and that it verifies with each secret.
func TestWebhook_Message(t *testing.T) {
	s := newSender(t, func(c *audit.WebhookConfig) { c.Secrets = []string{secretNew, secretOld} })
	s.Event(t.Context(), event("u1"))
	if d := s.deliver(); d.Sent != 1 || d.Failed != 0 {
		t.Fatalf("%+v", d)
	}
	if d := s.deliver(); d.Sent != 0 || len(s.rec.all()) != 1 {
		t.Fatalf("it came again: %+v", d)
	}
	got := s.rec.all()[0]
	want := `{"type":"postern.sign_in_failed","timestamp":"2026-11-28T12:00:00Z","data":{"sequence":1,"event":"sign-in failed","time":"2026-11-28T12:00:00Z",` +
		`"kind":"user","subject":"google:1","user":"u1","session":"s1","actor":"a1","provider":"google","reason":"access_denied",` +
		`"address":"203.0.113.9","agent":"Firefox","error":"the provider refused"}}`
	if string(got.body) != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s", got.body)
	}
	for _, secret := range []string{secretNew, secretOld} {
		scheme := provision.StandardWebhooks()
		key, err := scheme.Key(secret)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Header: got.header}
		if proof, err := scheme.Verify(r, got.body, [][]byte{key}); err != nil || !proof.Time.Equal(start) || proof.ID != got.id {
			t.Errorf("%+v, %v", proof, err)
		}
		if _, err := scheme.Verify(r, append(got.body, ' '), [][]byte{key}); err == nil {
			t.Error("another body has the same signature")
		}
	}
}

// TestWebhook_OtherImplementation: the library that receivers use accepts the messages (npm: standardwebhooks).
func TestWebhook_OtherImplementation(t *testing.T) {
	node := testneed.Binary(t, "node", "Debian package nodejs")
	modules := npm.Modules(t, "testdata/npm")
	s := newSender(t, func(c *audit.WebhookConfig) {
		c.Secrets, c.Now, c.Store = []string{secretNew, secretOld}, time.Now, &store.Memory{} // the library has no other clock
	})
	s.restart()
	s.Event(t.Context(), event("Jörg \u2028 <&>"))
	s.deliver()
	got := s.rec.all()[0]
	headers := map[string]string{}
	for name := range got.header {
		headers[strings.ToLower(name)] = got.header.Get(name)
	}
	var in bytes.Buffer
	for _, tc := range [][2]string{{secretNew, ""}, {secretOld, ""}, {secretNew, " "}, {"whsec_" + strings.Repeat("AAAA", 8), ""}} {
		if err := json.NewEncoder(&in).Encode(map[string]any{"secret": tc[0], "headers": headers, "body": string(got.body) + tc[1]}); err != nil {
			t.Fatal(err)
		}
	}
	folder := t.TempDir()
	program, err := os.ReadFile("testdata/npm/verify.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(folder, "verify.mjs"), program, 0o600), os.Symlink(modules, filepath.Join(folder, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "verify.mjs")
	cmd.Dir, cmd.Stdin = folder, &in
	out, err := cmd.CombinedOutput()
	want := "valid postern.sign_in_failed\nvalid postern.sign_in_failed\nrefused: No matching signature found\nrefused: No matching signature found\n"
	if err != nil || string(out) != want {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestWebhook_Outage: while the receiver fails, events wait and the pauses grow, and a new process sends them later.
func TestWebhook_Outage(t *testing.T) {
	for _, status := range []int{500, 503, 429, 302, 0} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := newSender(t, nil)
			s.rec.answers(status)
			url := s.c.URL
			if status == 0 { // nobody listens
				s.c.URL = "http://127.0.0.1:1/canary-path"
				s.restart()
			}
			s.events(20)
			pause, slept := time.Duration(0), time.Duration(0)
			for range 8 {
				d := s.deliver()
				if d.Sent != 0 || d.Failed == 0 || d.Failed > 8 || d.Retry < 5*time.Second || d.Retry > 72*time.Minute || d.Retry < min(pause, time.Hour) {
					t.Fatalf("%+v after %v", d, pause)
				}
				if again := s.deliver(); again.Failed != 0 || again.Retry <= 0 {
					t.Fatalf("it does not pause: %+v", again)
				}
				pause = d.Retry
				s.clock.Advance(pause)
				slept += pause
			}
			if pause < time.Hour || slept > 10*time.Hour {
				t.Errorf("the pause is %v after %v", pause, slept)
			}
			if st := s.Stats(); st.Queued != 20 || st.Lost != 0 || st.Sent != 0 || st.Failed == 0 {
				t.Errorf("%+v", st)
			}
			s.rec.answers(0)
			s.c.URL = url
			before := len(s.rec.all())
			s.restart()
			if d := s.deliver(); d.Sent != 20 {
				t.Errorf("%+v", d)
			}
			ids := map[string]bool{}
			for _, d := range s.rec.all()[before:] {
				ids[d.id] = true
			}
			if len(ids) != 20 {
				t.Errorf("%d messages", len(ids))
			}
			for _, canary := range []string{"canary-path", secretNew[6:20], `"user"`} {
				if strings.Contains(s.log.String(), canary) {
					t.Errorf("the log has %s: %s", canary, s.log.String())
				}
			}
			if !strings.Contains(s.log.String(), "the webhook fails") {
				t.Errorf("the log is %s", s.log.String())
			}
		})
	}
}

// TestWebhook_Order: messages of one process come in order as long as none fails, window by window.
func TestWebhook_Order(t *testing.T) {
	s := newSender(t, nil)
	s.events(100)
	if d := s.deliver(); d.Sent != 100 {
		t.Fatalf("%+v", d)
	}
	for i, d := range s.rec.all() {
		if off := d.data.Sequence - int64(i+1); off < -8 || off > 8 {
			t.Errorf("message %d has the sequence %d", i+1, d.data.Sequence)
		}
	}
}

// TestWebhook_Refused: a message that the receiver refuses comes again later, and others are sent meanwhile.
func TestWebhook_Refused(t *testing.T) {
	s := newSender(t, nil)
	s.rec.answer = func(d delivery, w http.ResponseWriter) {
		if d.data.Sequence == 3 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	s.events(20)
	if d := s.deliver(); d.Sent != 19 || d.Failed != 1 || d.Retry != 0 {
		t.Fatalf("%+v", d)
	}
	if d := s.deliver(); d != (audit.Delivery{}) {
		t.Fatalf("it comes again at once: %+v", d)
	}
	s.rec.answers(0)
	s.clock.Advance(10 * time.Second)
	if d := s.deliver(); d.Sent != 1 {
		t.Errorf("%+v", d)
	}
	all := s.rec.all()
	if last := all[len(all)-1]; last.data.Sequence != 3 || !sameID(all, last) {
		t.Errorf("the last is %+v", last)
	}
}

// sameID reports whether the message came before under the same id.
func sameID(all []delivery, d delivery) bool {
	for _, other := range all[:len(all)-1] {
		if other.data.Sequence == d.data.Sequence {
			return other.id == d.id
		}
	}
	return false
}

// TestWebhook_GivesUp: an event that the receiver does not take for three days is dropped, and that is an event.
func TestWebhook_GivesUp(t *testing.T) {
	var events []session.Event
	s := newSender(t, func(c *audit.WebhookConfig) {
		c.OnEvent = func(_ context.Context, e session.Event) { events = append(events, e) }
	})
	s.rec.answers(500)
	s.events(12)
	s.deliver()
	s.clock.Advance(72*time.Hour - time.Minute)
	if d := s.deliver(); d.GivenUp != 0 || d.Failed == 0 {
		t.Fatalf("too early: %+v", d)
	}
	s.clock.Advance(2 * time.Hour)
	s.rec.answers(0)
	s.events(1)
	if d := s.deliver(); d.GivenUp != 12 || d.Sent != 1 {
		t.Fatalf("%+v", d)
	}
	if len(events) != 1 || events[0].Name != "webhook given up" || events[0].Reason != "12 events" || !events[0].Time.Equal(s.clock.Now()) {
		t.Errorf("got %+v", events)
	}
	if st := s.Stats(); st.GivenUp != 12 || !strings.Contains(s.log.String(), "given up") {
		t.Errorf("%+v %s", st, s.log.String())
	}
}

// TestWebhook_Full: a queue that is full takes no more, without a read for each event; the receiver sees the gap.
func TestWebhook_Full(t *testing.T) {
	s := newSender(t, func(c *audit.WebhookConfig) { c.MaxQueue = 10 })
	s.events(25)
	if st := s.Stats(); st.Queued != 10 || st.Lost != 15 || !strings.Contains(s.log.String(), "is full") {
		t.Fatalf("%+v %s", st, s.log.String())
	}
	if d := s.deliver(); d.Sent != 10 {
		t.Fatalf("%+v", d)
	}
	s.clock.Advance(2 * time.Second)
	s.events(1)
	s.deliver()
	all := s.rec.all()
	if last := all[len(all)-1].data.Sequence; last != 26 {
		t.Errorf("the last sequence is %d", last)
	}
}

// TestWebhook_Refuses: configurations that would send events to nobody, or to a service of the own network.
func TestWebhook_Refuses(t *testing.T) {
	for name, change := range map[string]func(*audit.WebhookConfig){
		"http":             func(c *audit.WebhookConfig) { c.URL = "http://siem.example.com/" },
		"http, loopback":   func(c *audit.WebhookConfig) { c.URL, c.AllowInsecure = "http://127.0.0.1/", false },
		"credentials":      func(c *audit.WebhookConfig) { c.URL = "https://user:pass@siem.example.com/" },
		"number":           func(c *audit.WebhookConfig) { c.URL = "https://2130706433/" },
		"file":             func(c *audit.WebhookConfig) { c.URL = "file:///etc/passwd" },
		"no URL":           func(c *audit.WebhookConfig) { c.URL = "" },
		"no secret":        func(c *audit.WebhookConfig) { c.Secrets = nil },
		"short secret":     func(c *audit.WebhookConfig) { c.Secrets = []string{"whsec_c2hvcnQ="} },
		"secret, no start": func(c *audit.WebhookConfig) { c.Secrets = []string{secretNew[6:]} },
		"no store":         func(c *audit.WebhookConfig) { c.Store = nil },
		"name":             func(c *audit.WebhookConfig) { c.Name = "a/b" },
		"negative":         func(c *audit.WebhookConfig) { c.MaxQueue = -1 },
		"long timeout":     func(c *audit.WebhookConfig) { c.Timeout = time.Minute },
	} {
		c := audit.WebhookConfig{URL: "https://siem.example.com/", Secrets: []string{secretNew}, Store: &store.Memory{}, AllowInsecure: true}
		change(&c)
		if _, err := audit.NewWebhook(c); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), secretNew[6:20]) || strings.Contains(err.Error(), "pass@") || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%s: the error has a secret: %v", name, err)
		}
	}
}

// TestWebhook_PrivateAddress: a name that leads into the own network is not connected to.
func TestWebhook_PrivateAddress(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was connected") }))
	defer server.Close()
	for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "https://169.254.169.254/", "https://10.0.0.1/"} {
		s := newSender(t, func(c *audit.WebhookConfig) { c.URL, c.AllowInsecure = url, false })
		s.events(1)
		if d := s.deliver(); d.Failed != 1 || !strings.Contains(s.log.String(), "address refused") {
			t.Errorf("%s: %+v %s", url, d, s.log.String())
		}
	}
}

// TestWebhook_CancelledRequest: a person who closes the browser does not keep the event from the queue.
func TestWebhook_CancelledRequest(t *testing.T) {
	s := newSender(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Event(ctx, event("u"))
	if d := s.deliver(); d.Sent != 1 {
		t.Errorf("%+v", d)
	}
}

// TestWebhook_Run: Run sends what comes, also from other processes, and ends with its context.
func TestWebhook_Run(t *testing.T) {
	s := newSender(t, func(c *audit.WebhookConfig) { c.Logger = slog.New(slog.DiscardHandler) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	arrived := make(chan struct{}, 10)
	s.rec.mu.Lock()
	s.rec.answer = func(delivery, http.ResponseWriter) { arrived <- struct{}{} }
	s.rec.mu.Unlock()
	for range 3 {
		s.events(1)
		<-arrived
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// errStore is the error of a store that fails.
var errStore = errors.New("store: down")
