package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
	"github.com/posternauth/postern/keys/rotator"
)

type serveCommand struct {
	Config string `default:"postern.toml" placeholder:"FILE" env:"POSTERN_CONFIG" help:"The configuration. Default: postern.toml"`
}

// Help is shown below the usage line.
func (serveCommand) Help() string {
	return `Serves the whole auth server that a configuration file describes, for programs in any language: sign-in, accounts, sessions, and an endpoint for reverse proxies.

  postern serve --config postern.toml

TLS is the task of the proxy in front: give it the addresses below the issuer, and list its network in [server] trusted_proxies. A second listener, for this machine alone, serves

  /healthz          200 while the process runs
  /readyz           200 while it can sign people in; 503 without its store or its keys, and from the signal to stop on
  /metrics          for Prometheus
  /debug/pprof/     with [server] pprof

SIGHUP reads the configuration again. It is taken as a whole, or refused in the log and the one before goes on; requests in progress end as they began. SIGTERM and SIGINT make it not ready, serve for [server] drain, and let requests in progress end for [server] shutdown; a second signal ends at once.

The log goes to standard error. The exit status is 0 after a signal to stop, 1 if the server cannot start or go on, such as without its store, and 2 if the configuration is refused, so that starting again does not help.`
}

// Run serves until the context ends.
func (c serveCommand) Run(ctx context.Context, w world) error {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	sinks := &auditSinks{}
	err := serving.Run(ctx, serving.Config{
		Load:       func(context.Context) (serving.Plan, error) { return c.load(w, sinks) },
		LostEvents: sinks.lostEvents,
		Reload:     reload, Log: w.err, Version: strings.TrimPrefix(version(), "postern "), LookupEnv: os.LookupEnv, Now: w.now,
		Started: func(s serving.Settings, public, local net.Addr) { c.introduce(w, s, public, local) },
	})
	var invalid *server.Invalid
	if errors.Is(err, serving.ErrConfig) || errors.As(err, &invalid) {
		fmt.Fprintf(w.err, "postern: %v\n", err)
		return errRefused
	}
	return err
}

// load reads the configuration.
func (c serveCommand) load(w world, sinks *auditSinks) (serving.Plan, error) {
	data, err := readRegular(c.Config)
	if err != nil {
		return serving.Plan{}, fmt.Errorf("%w; name the file with --config", err)
	}
	config, err := server.Parse(c.Config, data, os.LookupEnv)
	if err != nil {
		return serving.Plan{}, err
	}
	settings, err := settingsOf(config)
	return serving.Plan{Settings: settings, Open: func(ctx context.Context, t serving.Tools) (serving.House, error) {
		house, err := server.Open(ctx, config, serveParts(w, config, t, sinks))
		if err == nil {
			err = c.unchanged(data)
		}
		if err != nil {
			if house != nil {
				err = errors.Join(err, house.Close())
			}
			return nil, err
		}
		return servedHouse{house, w.now, t.Logger}, nil
	}}, err
}

// unchanged returns an error unless the configuration is still what was read. A file that another program is writing
// may be whole to TOML, and lack its last rules.
func (c serveCommand) unchanged(read []byte) error {
	now, err := readRegular(c.Config)
	if err == nil && !bytes.Equal(now, read) {
		err = fmt.Errorf("%s changed while it was read: write it beside its place, move it there, and then reload", c.Config)
	}
	return err
}

// settingsOf returns what concerns the process.
func settingsOf(config server.Config) (serving.Settings, error) {
	s := config.Server
	settings := serving.Settings{
		Issuer: config.Issuer, Listen: s.Listen, LocalListen: s.LocalListen, LocalPublic: s.LocalPublic, Profiles: s.PProf, Drain: s.Drain, Shutdown: s.Shutdown,
		ClientIPHeader: s.ClientIPHeader, LogFormat: config.Log.Format, LogLevel: config.Log.Level,
	}
	if s.LocalListen == "off" {
		settings.LocalListen = ""
	}
	for _, text := range s.TrustedProxies {
		p, err := server.Network(text)
		if err != nil {
			return settings, fmt.Errorf("[server] trusted_proxies: %w", err)
		}
		settings.TrustedProxies = append(settings.TrustedProxies, p)
	}
	return settings, nil
}

// servedHouse is a House as run needs it.
type servedHouse struct {
	*server.House
	now func() time.Time
	log *slog.Logger
}

// Maintain makes a new signing key when the newest is as old as [keys] rotate. Servers that share a ring do this at the
// same time, and one of them makes the key.
func (h servedHouse) Maintain(ctx context.Context) error {
	every := h.Config().Keys.Rotate
	if every <= 0 {
		return nil
	}
	report, err := rotator.Run(ctx, rotator.Config{Ring: h.Ring(), Every: every, Now: h.now})
	if err != nil {
		return fmt.Errorf("rotating the keys: %w", err)
	}
	if report.Rotated {
		h.log.InfoContext(ctx, "postern: a new signing key was made", "kid", report.Newest, "signs_from", report.Takeover)
	}
	return nil
}

// introduce prints where the server is and what to try next.
func (c serveCommand) introduce(w world, s serving.Settings, public, local net.Addr) {
	fmt.Fprintf(w.out, "%s\n\n", s.Issuer)
	fmt.Fprintf(w.out, "  The configuration is %s. The server listens on %s.\n", c.Config, public)
	fmt.Fprintf(w.out, "  Sign in:         %s/authorize\n", s.Issuer)
	if tcp, ok := public.(*net.TCPAddr); ok {
		host := tcp.String()
		if tcp.IP.IsUnspecified() {
			host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
		}
		fmt.Fprintf(w.out, "  Its metadata:    curl http://%s%s/.well-known/openid-configuration\n", host, issuerPath(s.Issuer))
	}
	switch l := local.(type) {
	case *net.TCPAddr:
		fmt.Fprintf(w.out, "  Is it ready:     curl http://%s/readyz\n", l)
	case *net.UnixAddr:
		fmt.Fprintf(w.out, "  Is it ready:     curl --unix-socket %s http://localhost/readyz\n", l.Name)
	}
	fmt.Fprint(w.out, "  A new configuration: kill -HUP ", os.Getpid(), "\n\n")
}

// issuerPath is {base}, the path of the issuer.
func issuerPath(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}
