// Package run is the process around a server of Postern: its listeners, reloads, its end, health, metrics and logs.
//
// The public listener serves the routes of the house and nothing else. Health, metrics and profiles have a second
// listener, which is for this machine alone. TLS is the task of the proxy in front.
package run

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/posternauth/postern/session"
)

// A House is what the public listener serves.
type House interface {
	// Handler serves the public routes.
	Handler() http.Handler

	// Ready returns nil if the house can sign people in now: its store answers and takes writes, and its keys are
	// loaded.
	Ready(ctx context.Context) error

	// StoreUp returns nil if the store answers and takes writes.
	StoreUp(ctx context.Context) error

	// KeyCreated returns when the newest key of the ring was made.
	KeyCreated(ctx context.Context) (time.Time, error)

	// Maintain does what is due, such as a new signing key in the place of an old one. It is called at the start and
	// then each hour.
	Maintain(ctx context.Context) error

	// Close gives back what the house holds. Requests have ended before.
	Close() error
}

// Settings are the part of the configuration that this package uses.
type Settings struct {
	// Issuer is the public URL of the server. It cannot change in a reload.
	Issuer string

	// Listen is the public address: HOST:PORT, unix:PATH, unix:PATH?mode=0660 or systemd:NAME. A unix socket has the
	// mode 0660 unless it names another. It cannot change in a reload.
	Listen string

	// LocalListen is the address of health, metrics and profiles, in the same forms. Its host must be this machine
	// unless LocalPublic is set. It cannot change in a reload.
	//
	// Defaults to none: they are not served.
	LocalListen string

	// LocalPublic allows a LocalListen that other machines reach. Everybody who reaches it can read metrics and
	// profiles, so a network of the operator must guard it.
	LocalPublic bool

	// Profiles serves net/http/pprof on the local listener.
	Profiles bool

	// Drain is how long new requests are served after the first signal, while the server is not ready.
	//
	// Defaults to 0: the listener closes at once.
	Drain time.Duration

	// Shutdown is how long requests may go on after that.
	//
	// Defaults to 10 seconds.
	Shutdown time.Duration

	// TrustedProxies and ClientIPHeader are those of postern.Config, for the address in the access log.
	TrustedProxies []netip.Prefix
	ClientIPHeader string

	// LogFormat is "json" or "text", LogLevel the least level that is logged. The format cannot change in a reload.
	LogFormat, LogLevel string
}

// A Plan is a configuration that was read and checked, and of which nothing is open yet.
type Plan struct {
	Settings

	// Open opens the house.
	Open func(ctx context.Context, t Tools) (House, error)
}

// Tools are what a house gets of the process.
type Tools struct {
	Logger *slog.Logger
	Event  func(context.Context, session.Event) // counts each event of the audit log
}
