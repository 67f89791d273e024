package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/storetest"
	"github.com/posternauth/postern/telemetry"
)

// A recorder keeps spans and metrics in memory.
type recorder struct {
	*telemetry.Telemetry
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func record(t *testing.T, c telemetry.Config) *recorder {
	t.Helper()
	r := &recorder{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	c.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	c.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))
	var err error
	if r.Telemetry, err = telemetry.New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

func attributesOf(list []attribute.KeyValue) string {
	var all []string
	for _, kv := range list {
		all = append(all, string(kv.Key)+"="+kv.Value.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// points returns the values of all metrics: counts, or numbers of measurements.
func (r *recorder) points(t *testing.T) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					all[m.Name+" "+attributesOf(p.Attributes.ToSlice())] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					all[m.Name+" "+attributesOf(p.Attributes.ToSlice())] = int64(p.Count)
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
		}
	}
	return all
}

func (r *recorder) names() (all []string) {
	for _, s := range r.spans.Ended() {
		all = append(all, s.Name())
	}
	return all
}

// TestTelemetry_SignIn: a sign-in by mail leaves spans with the names of routes and operations, and counts; and
// nothing that is about the person or opens something.
func TestTelemetry_SignIn(t *testing.T) {
	const address = "canary@example.com"
	var mail posterntest.Mail
	var route func(*http.Request) string
	r := record(t, telemetry.Config{Route: func(r *http.Request) string { return route(r) }})
	mux := http.NewServeMux()
	server := httptest.NewServer(r.Handler(mux))
	defer server.Close()
	issuer := server.URL + "/auth"
	sessions := posterntest.Sessions(t, session.Config{Issuer: issuer, Store: r.Store(&store.Memory{}), OnEvent: r.Event})
	customer := session.NewKind[struct{}](sessions, "customer")
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"https://example.com/"}, Mail: mail.Send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return customer.Cookie(w, r, session.Grant[struct{}]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(mux)
	if route, err = telemetry.Routes(t.Context(), issuer, auth); err != nil {
		t.Fatal(err)
	}

	client := posterntest.Client(t)
	form := posterntest.SignIn(t, client, issuer+"/link/authorize")
	posterntest.Submit(t, client, form, url.Values{"email": {address}}).Body.Close()
	link := mail.Last(t, address).Arg("link")
	page := posterntest.SignIn(t, client, link)
	posterntest.Submit(t, client, page, nil).Body.Close()
	for _, path := range []string{"/auth/canary-path/../x", "/auth/session?token=canary-token", "/canary"} {
		res, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}

	names := r.names()
	for _, want := range []string{
		"GET /auth/{provider}/authorize", "POST /auth/{provider}/authorize", "GET /auth/{provider}/callback", "POST /auth/{provider}/callback",
		"GET /auth/session", "GET other", "store get", "store write",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no span %q in %q", want, names)
		}
	}
	points := r.points(t)
	for _, want := range []string{
		"postern.sign_ins postern.outcome=success postern.provider=link", "postern.events postern.event=session created",
		"postern.events postern.event=mail sent",
		"http.server.request.duration http.request.method=GET http.response.status_code=404 http.route=other",
		"postern.store.operation.duration db.operation.name=get",
	} {
		if points[want] == 0 {
			t.Errorf("there is no point %q in %q", want, slices.Sorted(maps.Keys(points)))
		}
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{"canary", "127.0.0.1", "example.com", u.Query().Get("token"), u.Query().Get("state"), "Go-http-client"}
	for _, text := range append(slices.Sorted(maps.Keys(points)), r.texts()...) {
		for _, canary := range canaries {
			if canary != "" && strings.Contains(text, canary) {
				t.Errorf("%q has %q", text, canary)
			}
		}
	}
	if !r.child("POST /auth/{provider}/callback", "store write") {
		t.Error("the operations of the store are not below the request")
	}
}

// texts returns all that the spans have.
func (r *recorder) texts() (all []string) {
	for _, s := range r.spans.Ended() {
		text := s.Name() + " " + attributesOf(s.Attributes()) + " " + s.Status().Description
		for _, e := range s.Events() {
			text += " " + e.Name + " " + attributesOf(e.Attributes)
		}
		all = append(all, text)
	}
	return all
}

// child reports whether a span of this name is below one of the other name.
func (r *recorder) child(parent, name string) bool {
	for _, p := range r.spans.Ended() {
		for _, c := range r.spans.Ended() {
			if p.Name() == parent && c.Name() == name && c.Parent().SpanID() == p.SpanContext().SpanID() {
				return true
			}
		}
	}
	return false
}

// TestHandler_Status: what the spans and metrics of an answer state.
func TestHandler_Status(t *testing.T) {
	r := record(t, telemetry.Config{Route: func(*http.Request) string { return "/r" }})
	for want, handler := range map[int]http.HandlerFunc{
		200: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		204: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) },
		404: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", 404) },
		503: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); w.WriteHeader(200) },
		500: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		func() {
			defer func() {
				if p := recover(); (p != nil) != (want == 500) {
					t.Errorf("%d: recovered %v", want, p)
				}
			}()
			r.Handler(handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		ended := r.spans.Ended()
		s := ended[len(ended)-1]
		text := fmt.Sprintf("http.request.method=GET http.response.status_code=%d http.route=/r", want)
		if attributesOf(s.Attributes()) != text || (s.Status().Code == codes.Error) != (want >= 500) {
			t.Errorf("%d: %s %v", want, attributesOf(s.Attributes()), s.Status())
		}
		if r.points(t)["http.server.request.duration "+text] != 1 {
			t.Errorf("%d: %v", want, r.points(t))
		}
	}
	flushed := httptest.NewRecorder()
	r.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(flushed, httptest.NewRequest("BREW", "/", nil))
	if ended := r.spans.Ended(); ended[len(ended)-1].Name() != "_OTHER /r" || !flushed.Flushed {
		t.Errorf("%q", ended[len(ended)-1].Name())
	}
}

// TestHandler_Propagator: a trace from outside goes on only where the program wants it.
func TestHandler_Propagator(t *testing.T) {
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, p := range []propagation.TextMapPropagator{nil, propagation.TraceContext{}} {
		r := record(t, telemetry.Config{Propagator: p})
		in := httptest.NewRequest("GET", "/", nil)
		in.Header.Set("traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
		r.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), in)
		if got := r.spans.Ended()[0].SpanContext().TraceID().String(); (got == parent) != (p != nil) {
			t.Errorf("%v: the trace is %s", p, got)
		}
	}
}

// clustered is a store that writes one part at a time.
type clustered struct{ store.Store }

func (clustered) OnePart() bool { return true }

// TestStore_Contract: the store with spans keeps the contract of the store inside.
func TestStore_Contract(t *testing.T) {
	r := record(t, telemetry.Config{})
	storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store { return r.Store(&store.Memory{Now: now}) })
	if store.WritesTwoParts(r.Store(clustered{&store.Memory{}})) || !store.WritesTwoParts(r.Store(&store.Memory{})) {
		t.Error("the interface OnePart is lost")
	}
}

// failing is a store whose operations fail.
type failing struct {
	store.Store
	err error
}

func (f failing) Get(context.Context, ...store.Key) ([]store.Item, error) { return nil, f.err }

// TestStore_Errors: an error has a type, and never its text. A conflict is usual.
func TestStore_Errors(t *testing.T) {
	for want, err := range map[string]error{
		"conflict": store.ErrConflict, "invalid": store.ErrInvalid, "local": store.ErrLocal, "canceled": context.Canceled,
		"timeout": fmt.Errorf("canary: %w", context.DeadlineExceeded), "unavailable": errors.New("canary"),
	} {
		r := record(t, telemetry.Config{})
		if _, got := r.Store(failing{err: err}).Get(t.Context(), store.Key{Part: "canary", ID: "canary"}); got != err {
			t.Errorf("the error is %v", got)
		}
		s := r.spans.Ended()[0]
		if text := r.texts()[0]; !strings.Contains(text, "error.type="+want) || strings.Contains(text, "canary") || (s.Status().Code == codes.Error) == (want == "conflict") {
			t.Errorf("%s: %s %v", want, text, s.Status())
		}
		if r.points(t)["postern.store.operation.duration db.operation.name=get error.type="+want] != 1 {
			t.Errorf("%s: %v", want, r.points(t))
		}
	}
}

// TestEvent_Bounded: whatever names an application gives to events, the attributes are few.
func TestEvent_Bounded(t *testing.T) {
	r := record(t, telemetry.Config{})
	for i := range 10_000 {
		r.Event(t.Context(), session.Event{Name: fmt.Sprint("mine ", i)})
		r.Event(t.Context(), session.Event{Name: "sign-in", Provider: fmt.Sprint("p", i), UserID: "canary", Reason: "canary"})
	}
	r.Event(t.Context(), session.Event{Name: strings.Repeat("x", 100)})
	points := r.points(t)
	if len(points) > 2*129 || points["postern.events postern.event=other"] == 0 {
		t.Errorf("%d points", len(points))
	}
}

// TestNew: a provider is needed, and one is enough.
func TestNew(t *testing.T) {
	if _, err := telemetry.New(telemetry.Config{}); err == nil {
		t.Error("accepted without a provider")
	}
	tel, err := telemetry.New(telemetry.Config{TracerProvider: sdktrace.NewTracerProvider()})
	if err != nil {
		t.Fatal(err)
	}
	tel.Event(t.Context(), session.Event{Name: "sign-in"})
}

// TestRoutes: the templates come from the document of the handler, or are those that each handler has, all of which are
// in the document.
func TestRoutes(t *testing.T) {
	const issuer = "https://api.example.com/auth"
	document, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	serves := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != issuer+"/openapi.json" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write(document)
	})
	whole, err := telemetry.Routes(t.Context(), issuer, serves)
	if err != nil {
		t.Fatal(err)
	}
	always, err := telemetry.Routes(t.Context(), issuer, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/authorize", "/token", "/google/authorize", "/google/callback", "/sessions/s1", "/assets/x.css", "/signout/everywhere", "/no/such/thing"} {
		r := httptest.NewRequest("GET", issuer+path, nil)
		if a, w := always(r), whole(r); a != w {
			t.Errorf("%s is %q and %q", path, a, w)
		}
	}
	if got := whole(httptest.NewRequest("GET", issuer+"/admin/users/u1", nil)); got != "/auth/admin/users/{id}" {
		t.Errorf("got %q", got)
	}
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	if _, err := telemetry.Routes(t.Context(), issuer, broken); err == nil {
		t.Error("routes of a handler that fails")
	}
}
