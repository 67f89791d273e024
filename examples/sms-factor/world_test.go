package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/store"
)

const (
	ada    = "ada@example.com"
	number = "+41791234567"
	phrase = "wolke sieben am fluss"
)

// phone records what is sent to it.
type phone struct {
	mu   sync.Mutex
	got  []string // numbers and texts
	fail error
}

func (p *phone) Send(_ context.Context, number, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail == nil {
		p.got = append(p.got, number+" "+text)
	}
	return p.fail
}

// count returns how many messages came since the last call.
func (p *phone) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i, m := range p.got {
		if !strings.HasPrefix(m, "(seen) ") {
			n, p.got[i] = n+1, "(seen) "+m
		}
	}
	return n
}

// disk is a store that keeps a copy of everything that was ever written.
type disk struct {
	store.Store
	mu      sync.Mutex
	written strings.Builder
}

func (d *disk) Write(ctx context.Context, changes ...store.Change) error {
	d.mu.Lock()
	for _, c := range changes {
		d.written.WriteString(c.Item.Key.Part + " " + c.Item.Key.ID + " " + string(c.Item.Value) + "\n")
	}
	d.mu.Unlock()
	return d.Store.Write(ctx, changes...)
}

func (d *disk) Unwrap() store.Store { return d.Store }

// world is the program, with a phone, a mailbox and a clock.
type world struct {
	t      *testing.T
	origin string
	phone  phone
	disk   *disk
	mails  posterntest.Mail
	clock  *posterntest.Clock
}

func newWorld(t *testing.T, change ...func(*settings)) *world {
	t.Helper()
	w := &world{t: t, clock: posterntest.NewClock(time.Time{})}
	w.disk = &disk{Store: &store.Memory{Now: w.clock.Now}}
	server := httptest.NewUnstartedServer(nil)
	w.origin = "http://" + server.Listener.Addr().String()
	s := settings{origin: w.origin, sender: &w.phone, mail: w.mails.Send, store: w.disk, now: w.clock.Now}
	for _, f := range change {
		f(&s)
	}
	var err error
	if server.Config.Handler, err = newHandler(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return w
}

var codeOf = regexp.MustCompile(`\d{6}$`)

// code returns the code of the last message.
func (w *world) code() string {
	w.t.Helper()
	if len(w.phone.got) == 0 {
		w.t.Fatal("no message")
	}
	return codeOf.FindString(w.phone.got[len(w.phone.got)-1])
}

// wrong returns a code that is not that of the last message.
func (w *world) wrong() string {
	if w.code() == "000000" {
		return "000001"
	}
	return "000000"
}

// page is what a program gets of a step.
type page struct {
	Status      int
	Step, Error string
	Args        map[string]any
	StepUp      string `json:"step_up"`
	To          string `json:"redirect_uri"`
	Links       []struct{ Name, URL string }
	Forms       []struct {
		Name, URL string
		Hidden    map[string]string
		Fields    []struct{ Name string }
	}
}

// browser is a person's program.
type browser struct {
	*http.Client
	*world
}

func (w *world) browser() browser { return browser{posterntest.Client(w.t), w} }

func (b browser) send(method, step string, body any) (p page) {
	b.t.Helper()
	if !strings.HasPrefix(step, b.origin) {
		step = b.origin + "/auth" + step
	}
	raw := ""
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		raw = string(data)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, step, strings.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.Body.Close()
	if err := json.NewDecoder(a.Body).Decode(&p); err != nil && !(method == http.MethodHead && errors.Is(err, io.EOF)) {
		b.t.Fatalf("%s: %d %v", step, a.StatusCode, err)
	}
	p.Status = a.StatusCode
	return p
}

func (b browser) get(step string) page { b.t.Helper(); return b.send(http.MethodGet, step, nil) }

// fill sends a form of a page as JSON, with fields.
func (b browser) fill(p page, form int, pairs ...string) page {
	b.t.Helper()
	if len(p.Forms) <= form {
		b.t.Fatalf("no form %d: %+v", form, p)
	}
	body := map[string]string{}
	for name, value := range p.Forms[form].Hidden {
		body[name] = value
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		body[pairs[i]] = pairs[i+1]
	}
	return b.send(http.MethodPost, p.Forms[form].URL, body)
}

func (p page) want(t *testing.T, status int, what string) page {
	t.Helper()
	if p.Status != status || p.Step != what && p.Error != what {
		t.Fatalf("want %d %s: %+v", status, what, p)
	}
	return p
}

func (b browser) me() string {
	b.t.Helper()
	a, err := b.Get(b.origin + "/me")
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

// signUp makes an account with a password, and returns the last answer.
func (b browser) signUp() page {
	b.t.Helper()
	p := b.send(http.MethodPost, "/sign-up", map[string]string{"email": ada})
	p = b.fill(p, 0, "code", b.mails.Last(b.t, ada).Arg("code"))
	return b.send(http.MethodPost, "/password/sign-up", map[string]string{"state": p.Forms[0].Hidden["state"], "password": phrase})
}

func (b browser) signIn() page {
	b.t.Helper()
	return b.fill(b.get("/password/authorize"), 0, "identifier", ada, "password", phrase)
}

// enrolled is a browser whose person has the factor. Time has passed, so that the limits are as at the start.
func (w *world) enrolled() browser {
	w.t.Helper()
	b := w.browser()
	b.signUp()
	p := b.fill(b.get("/factors/sms/enroll"), 0, "number", number).want(w.t, 200, "sms.confirm")
	b.fill(p, 0, "code", w.code()).want(w.t, 200, "sms.added")
	w.phone.count()
	w.clock.Advance(2 * time.Hour)
	return b
}
