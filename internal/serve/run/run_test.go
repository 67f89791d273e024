package run_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve/run"
)

// TestE6_PublicListenerServesTheHouseAlone: health, metrics and profiles are on the local listener, under names of this
// machine.
func TestE6_PublicListenerServesTheHouseAlone(t *testing.T) {
	h := newHouse("one")
	plan := planOf(h)
	plan.Profiles = true
	w := start(t, plan)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if status, body, _ := w.get("http://localhost" + path); status != http.StatusOK {
			t.Errorf("local %s: %d %s", path, status, body)
		}
		if status, body, _ := w.get("http://public" + path); status != http.StatusNotFound {
			t.Errorf("public %s: %d %s", path, status, body)
		}
		for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
			if status, _, _ := w.get("http://localhost"+path, "Sec-Fetch-Site", site); status != want {
				t.Errorf("local %s for a page, %s: %d, want %d", path, site, status, want)
			}
		}
		if status, _, _ := w.get("http://localhost"+path, "Host", "evil.example"); status != http.StatusMisdirectedRequest {
			t.Errorf("local %s under a name of the internet: %d", path, status)
		}
	}
	if status, _, _ := w.get("http://localhost/auth/token"); status != http.StatusNotFound {
		t.Errorf("the local listener serves the house: %d", status)
	}
	plain := start(t, planOf(h))
	if status, _, _ := plain.get("http://localhost/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles without the setting: %d", status)
	}
}

func TestReady(t *testing.T) {
	h := newHouse("one")
	w := start(t, planOf(h))
	h.setDown(errors.New("the store does not answer"))
	if status, body, _ := w.get("http://localhost/readyz"); status != 503 || !strings.Contains(body, "the store does not answer") {
		t.Errorf("ready without a store: %d %s", status, body)
	}
	if status, _, _ := w.get("http://localhost/healthz"); status != 200 {
		t.Errorf("health without a store: %d", status)
	}
	if _, body, _ := w.get("http://localhost/metrics"); !strings.Contains(body, "\npostern_store_up 0\n") {
		t.Errorf("postern_store_up is not 0:\n%s", body)
	}
	h.setDown(nil)
	if status, body, _ := w.get("http://localhost/readyz"); status != 200 || body != `{"status":"ready"}`+"\n" {
		t.Errorf("ready: %d %s", status, body)
	}
}

// TestStop: after the signal the server is not ready and takes no new request, but the one in progress ends. Then the
// house is closed.
func TestStop(t *testing.T) {
	h := newHouse("one")
	w := start(t, planOf(h))
	answer := make(chan string, 1)
	go func() {
		res, err := w.client.Get("http://public/auth/refresh")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		answer <- res.Status
	}()
	<-h.inside
	w.stop()
	w.log.wait(t, "postern: stopping", 1)
	if status, body, _ := w.get("http://localhost/readyz"); status != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("ready while it stops: %d %s", status, body)
	}
	if h.isClosed() {
		t.Error("the house was closed under a request")
	}
	close(h.gate)
	if got := <-answer; got != "200 OK" {
		t.Errorf("the request in progress: %s", got)
	}
	if err := w.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if !h.isClosed() || h.maintained != 1 {
		t.Errorf("the house was closed: %v; maintained %d times", h.isClosed(), h.maintained)
	}
}

// TestStop_Drain: for [server] drain after the signal, the server is not ready and serves new requests. Then it ends.
func TestStop_Drain(t *testing.T) {
	h := newHouse("one")
	plan := planOf(h)
	plan.Drain = 10 * time.Second
	asked, over := make(chan time.Duration, 8), make(chan time.Time)
	w := startAfter(t, plan, func(d time.Duration) <-chan time.Time { asked <- d; return over })
	for range 2 { // the limits of the start
		<-asked
	}
	w.stop()
	if d := <-asked; d != plan.Drain {
		t.Errorf("it drains for %s, want %s", d, plan.Drain)
	}
	if status, body, _ := w.get("http://localhost/readyz"); status != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("ready while it drains: %d %s", status, body)
	}
	if status, body, _ := w.get("http://public/auth/token"); status != 200 || body != "one" {
		t.Errorf("a new request while it drains: %d %s", status, body)
	}
	if h.isClosed() {
		t.Error("the house was closed while it drains")
	}
	close(over)
	if err := w.end(); err != nil || !h.isClosed() {
		t.Errorf("it ended with %v, the house was closed: %v", err, h.isClosed())
	}
	if _, err := w.client.Get("http://public/auth/token"); err == nil {
		t.Error("it serves after its end")
	}
}

// TestStop_Limit: a request that takes longer than the limit is cut off.
func TestStop_Limit(t *testing.T) {
	h := newHouse("one")
	plan := planOf(h)
	plan.Shutdown = 50 * time.Millisecond
	w := start(t, plan)
	cutOff := make(chan error, 1)
	go func() {
		res, err := w.client.Get("http://public/auth/refresh")
		if err == nil {
			res.Body.Close()
		}
		cutOff <- err
	}()
	<-h.inside
	w.stop()
	if err := <-cutOff; err == nil {
		t.Error("the request was not cut off")
	}
	close(h.gate)
	if err := w.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if len(w.logged("postern: requests were cut off: they took longer than [server] shutdown")) != 1 {
		t.Errorf("the log does not have it:\n%s", w.log)
	}
}

// TestE5_Reload: a reload takes the whole new configuration, or the one before goes on. A request in progress ends on
// the house where it began, which is closed afterwards.
func TestE5_Reload(t *testing.T) {
	first, second := newHouse("one"), newHouse("two")
	w := start(t, planOf(first))
	answer := make(chan string, 1)
	go func() {
		_, body, _ := w.get("http://public/auth/refresh")
		answer <- body
	}()
	<-first.inside
	serves := func(want string) {
		t.Helper()
		if _, body, _ := w.get("http://public/auth/token"); body != want {
			t.Errorf("house %s serves, want %s", body, want)
		}
	}
	const refused = "postern: the configuration was not reloaded; the one before goes on"
	for i, broken := range []struct {
		change func(p *run.Plan) error
		want   string
	}{
		{func(*run.Plan) error { return errors.New("postern.toml:3: no such setting") }, "postern.toml:3: no such setting"},
		{func(p *run.Plan) error {
			p.Open = func(context.Context, run.Tools) (run.House, error) {
				return nil, errors.New("the store does not answer")
			}
			return nil
		}, "the store does not answer"},
		{func(p *run.Plan) error { p.Issuer += "2"; return nil }, "issuer cannot change"},
		{func(p *run.Plan) error {
			p.Listen, p.LocalListen, p.LocalPublic, p.Profiles, p.LogFormat = "127.0.0.1:1", "", true, true, "text"
			return nil
		}, "[server] listen, [server] local_listen, [server] local_public, [server] pprof, [log] format cannot change"},
		{func(p *run.Plan) error { p.LogLevel = "loud"; return nil }, "[log] level"},
	} {
		plan := planOf(second)
		w.set(plan, broken.change(&plan))
		if err := broken.change(&plan); err == nil {
			w.set(plan, nil)
		}
		w.reload <- syscall.SIGHUP
		w.log.wait(t, refused, i+1)
		lines := w.logged(refused)
		if text, _ := lines[i]["err"].(string); !strings.Contains(text, broken.want) {
			t.Errorf("the error is %q, want %q", text, broken.want)
		}
		serves("one")
	}
	if second.isClosed() {
		t.Error("a house that was not opened is closed")
	}
	plan := planOf(second)
	plan.LogLevel = "debug"
	var tools run.Tools
	plan.Open = func(_ context.Context, t run.Tools) (run.House, error) { tools = t; return second, nil }
	w.set(plan, nil)
	w.reload <- syscall.SIGHUP
	w.log.wait(t, "postern: the configuration was reloaded", 1)
	serves("two")
	if !tools.Logger.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("the house has a logger of the old level")
	}
	if first.isClosed() {
		t.Error("the first house was closed under a request")
	}
	close(first.gate)
	if got := <-answer; got != "one" {
		t.Errorf("the request in progress ended on %q", got)
	}
	if _, body, _ := w.get("http://localhost/metrics"); !strings.Contains(body, `postern_config_reloads_total{outcome="failure"} 5`) || !strings.Contains(body, `postern_config_reloads_total{outcome="success"} 1`) {
		t.Errorf("the reloads are not counted:\n%s", body)
	}
	w.stop()
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if !first.isClosed() || !second.isClosed() {
		t.Errorf("closed: %v %v", first.isClosed(), second.isClosed())
	}
}

// TestE5_BrokenDoesNotStart: an error of the configuration is ErrConfig, one of a service is not.
func TestE5_BrokenDoesNotStart(t *testing.T) {
	h := newHouse("one")
	for want, c := range map[string]struct {
		change func(p *run.Plan) error
		config bool
	}{
		"no such setting":     {func(*run.Plan) error { return errors.New("no such setting") }, true},
		"[log] level":         {func(p *run.Plan) error { p.LogLevel = "loud"; return nil }, true},
		"[server] listen":     {func(p *run.Plan) error { p.Listen = "nowhere"; return nil }, true},
		"write a number":      {func(p *run.Plan) error { p.Listen = "localhost:http"; return nil }, true},
		"from other machines": {func(p *run.Plan) error { p.LocalListen = "0.0.0.0:0"; return nil }, true},
		"use 127.0.0.1":       {func(p *run.Plan) error { p.LocalListen = ":0"; return nil }, true},
		"without sockets":     {func(p *run.Plan) error { p.Listen = "systemd:public"; return nil }, false},
		"no answer": {func(p *run.Plan) error {
			p.Open = func(context.Context, run.Tools) (run.House, error) {
				return nil, errors.New("no answer")
			}
			return nil
		}, false},
	} {
		plan := planOf(h)
		loaded := c.change(&plan)
		log := &lines{more: make(chan struct{}, 1)}
		err := run.Run(t.Context(), run.Config{Log: log, Load: func(context.Context) (run.Plan, error) { return plan, loaded }})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, run.ErrConfig) != c.config {
			t.Errorf("%s: %v", want, err)
		}
	}
	plan := planOf(h)
	plan.LocalListen, plan.LocalPublic = "0.0.0.0:0", true
	w := start(t, plan)
	if status, _, _ := w.get("http://local.internal/readyz"); status != 200 {
		t.Errorf("a public local listener that was asked for: %d", status)
	}
}

// TestL1_AccessLog: a line for each request, without query, and with the id that the answer names.
func TestL1_AccessLog(t *testing.T) {
	plan := planOf(newHouse("one"))
	plan.TrustedProxies, plan.ClientIPHeader = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "X-Forwarded-For"
	w := start(t, plan)
	const secret = "s3cr3t-of-the-person"
	_, _, header := w.get("http://public/auth/google/authorize?state="+secret+"&code="+secret+"#"+secret, "Cookie", "a="+secret, "Authorization", "Bearer "+secret,
		"X-Forwarded-For", "203.0.113.9", "X-Request-Id", "edge-1")
	if got := header.Get("X-Request-Id"); got != "edge-1" {
		t.Errorf("the id of the proxy was not kept: %q", got)
	}
	w.get("http://public/"+strings.Repeat("x", 3000)+"%0Aforged=1", "X-Request-Id", "two words")
	w.log.wait(t, "postern: answered", 2)
	if strings.Contains(w.log.String(), secret) {
		t.Errorf("the log has a secret:\n%s", w.log)
	}
	lines := w.logged("postern: answered")
	first := lines[0]
	for name, want := range map[string]any{"method": "GET", "path": "/auth/google/authorize", "route": "/auth/{provider}/authorize", "status": 404., "client": "203.0.113.9", "request": "edge-1"} {
		if first[name] != want {
			t.Errorf("%s = %v, want %v", name, first[name], want)
		}
	}
	second := lines[1]
	if path, _ := second["path"].(string); len(path) > 300 || second["route"] != "other" {
		t.Errorf("%v", second)
	}
	if id, _ := second["request"].(string); len(id) != 26 {
		t.Errorf("the id is %q", id)
	}
}

// TestPanic: a bug is a 500 for one request, a line with the stack, and a count.
func TestPanic(t *testing.T) {
	w := start(t, planOf(newHouse("one")))
	if status, body, _ := w.get("http://public/auth/session"); status != 500 || strings.Contains(body, "a bug") {
		t.Errorf("%d %s", status, body)
	}
	w.log.wait(t, "postern: answered", 1)
	lines := w.logged("postern: panic")
	if len(lines) != 1 || lines[0]["panic"] != "a bug" || !strings.Contains(lines[0]["stack"].(string), "world_test.go") || lines[0]["request"] == nil {
		t.Errorf("%v", lines)
	}
	if _, body, _ := w.get("http://localhost/metrics"); !strings.Contains(body, "\npostern_http_panics_total 1\n") || !strings.Contains(body, `postern_http_requests_total{route="/auth/session",status="500"} 1`) {
		t.Errorf("it is not counted:\n%s", body)
	}
}

// TestE5_StopDuringReload: a house that opens does not hold up the stop, and is closed when it has opened.
func TestE5_StopDuringReload(t *testing.T) {
	first, late := newHouse("one"), newHouse("two")
	w := start(t, planOf(first))
	plan, opening := planOf(late), make(chan struct{})
	plan.Open = func(ctx context.Context, _ run.Tools) (run.House, error) {
		close(opening)
		<-ctx.Done()
		return late, nil
	}
	w.set(plan, nil)
	w.reload <- syscall.SIGHUP
	<-opening
	w.stop()
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if !first.isClosed() || !late.isClosed() {
		t.Errorf("closed: %v, and the one that came late: %v", first.isClosed(), late.isClosed())
	}
}

// TestE5_StopDuringMaintenance: maintenance that hangs holds up neither a reload nor the stop.
func TestE5_StopDuringMaintenance(t *testing.T) {
	h := newHouse("one")
	h.maintain = make(chan struct{})
	defer close(h.maintain)
	w := start(t, planOf(h))
	w.set(planOf(newHouse("two")), nil)
	w.reload <- syscall.SIGHUP
	w.log.wait(t, "postern: the configuration was reloaded", 1)
	if h.isClosed() {
		t.Error("the house was closed under its maintenance")
	}
	w.stop()
	if err := w.end(); err != nil {
		t.Error(err)
	}
}
