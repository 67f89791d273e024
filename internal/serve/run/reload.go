package run

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/serve/metrics"
)

// reloadLimit is when a reload has surely not ended by the limit of its opening.
const reloadLimit = openTimeout + hangMargin

// A reload is under way.
type reload struct {
	done <-chan outcome[*generation]
	late <-chan time.Time // gets a value when it hangs
}

// beginReload reads the present configuration and opens its house. It does not block: a file system or a service that
// hangs must not hold up the signal to stop, or later reloads.
func (s *server) beginReload(ctx context.Context) reload {
	serving := s.generations.current().plan.Settings
	return reload{late: s.cfg.After(reloadLimit), done: begin(func() (*generation, error) {
		if n := s.hanging.Load(); n >= maxHanging {
			return nil, fmt.Errorf("%d earlier reloads still hang: mend the file system or the service they wait for, or start the server again", n)
		}
		return s.prepare(ctx, serving)
	})}
}

func (s *server) prepare(ctx context.Context, serving Settings) (*generation, error) {
	plan, err := s.cfg.Load(ctx)
	if err != nil {
		return nil, err
	}
	if err := fixed(serving, plan.Settings); err != nil {
		return nil, err
	}
	if _, err := ParseLevel(plan.LogLevel); err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return s.open(opening, plan)
}

// endReload puts the new house in the place of the one that serves. If anything of the configuration was refused, or
// its house did not open, the one that serves goes on.
func (s *server) endReload(ctx context.Context, r outcome[*generation]) {
	s.metrics.Reloaded(r.err == nil)
	if r.err != nil {
		s.log.ErrorContext(ctx, "postern: the configuration was not reloaded; the one before goes on", "err", r.err)
		return
	}
	_ = s.setLevel(r.value.plan) // prepare has parsed it
	s.retire(s.generations.replace(r.value))
	s.log.InfoContext(ctx, "postern: the configuration was reloaded")
}

// fixed returns an error that names each setting that differs and cannot change while the server runs.
func fixed(old, next Settings) error {
	var changed []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"issuer", old.Issuer == next.Issuer},
		{"[server] listen", old.Listen == next.Listen},
		{"[server] local_listen", old.LocalListen == next.LocalListen},
		{"[server] local_public", old.LocalPublic == next.LocalPublic},
		{"[server] pprof", old.Profiles == next.Profiles},
		{"[log] format", old.LogFormat == next.LogFormat},
	} {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot change while the server runs: start it again", strings.Join(changed, ", "))
}

// routesOf returns the templates of the routes, from the document that the house serves of them.
func routesOf(ctx context.Context, issuer string, h http.Handler) (*metrics.Routes, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	r.Body = http.NoBody // as a server has it
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
	answer := &page{header: http.Header{}}
	h.ServeHTTP(answer, r)
	if answer.status != 0 && answer.status != http.StatusOK {
		return nil, fmt.Errorf("the house answers %d to %s", answer.status, r.URL.Path)
	}
	if len(answer.body) == 0 {
		return nil, errors.New("the house serves no document of its routes")
	}
	return metrics.NewRoutes(u.EscapedPath(), answer.body)
}

// page is an answer in memory.
type page struct {
	header http.Header
	status int
	body   []byte
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) WriteHeader(status int)      { p.status = status }
func (p *page) Write(b []byte) (int, error) { p.body = append(p.body, b...); return len(b), nil }
