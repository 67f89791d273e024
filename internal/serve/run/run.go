package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/serve/listen"
	"github.com/posternauth/postern/internal/serve/metrics"
)

// ErrConfig is in the chain of errors about the configuration: starting again without another configuration fails
// again.
var ErrConfig = errors.New("the configuration is refused")

const (
	maintainEvery   = time.Hour
	maintainTimeout = 20 * time.Second

	openTimeout  = 30 * time.Second // of a reload: a store that is down must not block the next one
	hangMargin   = 5 * time.Second  // what has not ended so long after its limit hangs
	maxHanging   = 8                // reloads: each one keeps a thread, and may keep connections
	lastPatience = 2 * time.Second  // for handlers whose connections were closed
)

// defaultShutdown is how long requests may go on after the first signal.
const defaultShutdown = 10 * time.Second

// Config of a process.
type Config struct {
	// Load reads and checks the configuration. It opens nothing. Run calls it at the start, and for each reload.
	// Required.
	Load func(ctx context.Context) (Plan, error)

	// Reload asks for a reload with each value: signal.Notify(reload, syscall.SIGHUP).
	//
	// Defaults to none.
	Reload <-chan os.Signal

	// Log gets the log of the server, line by line. Required.
	Log io.Writer

	// Started is called once, when the server answers, with the addresses of its listeners. local is nil if there is
	// none.
	Started func(settings Settings, public, local net.Addr)

	// LostEvents returns how many events each sink of the audit log has lost since the start of the process, by the
	// name of the sink, for the metrics.
	//
	// Defaults to none.
	LostEvents func() map[string]uint64

	// Version is that of the program, for the metrics.
	Version string

	// LookupEnv reads the variables of systemd.
	//
	// Defaults to none of them.
	LookupEnv func(string) (string, bool)

	// After is the clock of Settings.Drain, and of a start or a reload that hangs.
	//
	// Defaults to time.After.
	After func(time.Duration) <-chan time.Time

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// server is a process that serves.
type server struct {
	cfg         Config
	level       slog.LevelVar
	log         *slog.Logger
	now         func() time.Time
	metrics     *metrics.Set
	generations generations
	draining    atomic.Bool
	closing     sync.WaitGroup // houses whose last requests have not ended
	hanging     atomic.Int32   // houses that nobody waits for and that have not opened yet
}

// Run serves until ctx ends, and then lets the requests in progress end. The error is ErrConfig if the configuration
// is refused, nil after an end that was asked for, also during the start.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	if cfg.LookupEnv == nil {
		cfg.LookupEnv = func(string) (string, bool) { return "", false }
	}
	s := &server{cfg: cfg, now: cfg.Now}
	s.metrics = metrics.New(metrics.Config{Version: cfg.Version, Now: cfg.Now, Lost: cfg.LostEvents,
		StoreUp: func(ctx context.Context) error {
			g := s.generations.enter()
			defer g.requests.Done()
			return g.house.StoreUp(ctx)
		},
		KeyCreated: func(ctx context.Context) (time.Time, error) {
			g := s.generations.enter()
			defer g.requests.Done()
			return g.house.KeyCreated(ctx)
		}})
	err := s.run(ctx)
	s.waitForHouses()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && s.generations.current() == nil {
		return nil // a signal to stop during the start
	}
	return err
}

func (s *server) run(ctx context.Context) error {
	plan, err := s.load(ctx)
	if err != nil {
		return err
	}
	if s.log, err = NewLogger(s.cfg.Log, plan.LogFormat, &s.level); err == nil {
		err = s.setLevel(plan)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	public, local, err := s.listen(ctx, plan)
	if err != nil {
		return err
	}
	g, err := s.openFirst(ctx, plan)
	if err != nil {
		closeAll(public, local)
		return err
	}
	s.generations.replace(g)
	s.metrics.Loaded()
	err = s.serve(ctx, plan, public, local)
	s.retire(s.generations.current())
	return err
}

// listen opens the listeners of a plan. local is nil if it has none.
func (s *server) listen(ctx context.Context, plan Plan) (public, local net.Listener, err error) {
	at, err := listen.Parse(plan.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: [server] listen: %w", ErrConfig, err)
	}
	var second listen.Address
	if plan.LocalListen != "" {
		if second, err = listen.Parse(plan.LocalListen); err == nil && !plan.LocalPublic {
			err = second.CheckLocal()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: [server] local_listen: %w", ErrConfig, err)
		}
	}
	if public, err = at.Open(ctx, s.cfg.LookupEnv); err != nil {
		return nil, nil, fmt.Errorf("[server] listen: %w", err)
	}
	if plan.LocalListen == "" {
		return public, nil, nil
	}
	if local, err = second.Open(ctx, s.cfg.LookupEnv); err != nil {
		public.Close()
		return nil, nil, fmt.Errorf("[server] local_listen: %w", err)
	}
	if !plan.LocalPublic && !listen.Local(local) {
		closeAll(public, local)
		return nil, nil, fmt.Errorf("%w: [server] local_listen: %w", ErrConfig, listen.Address{Network: "tcp", Name: local.Addr().String()}.CheckLocal())
	}
	return public, local, nil
}

func closeAll(listeners ...net.Listener) {
	for _, l := range listeners {
		if l != nil {
			l.Close()
		}
	}
}

// open opens the house of a plan.
func (s *server) open(ctx context.Context, plan Plan) (*generation, error) {
	house, err := plan.Open(ctx, Tools{s.log, s.metrics.Event})
	if err != nil {
		return nil, err
	}
	g := &generation{house: house, plan: plan, handler: house.Handler()}
	if g.routes, err = routesOf(ctx, plan.Issuer, g.handler); err != nil {
		return nil, errors.Join(err, house.Close())
	}
	return g, nil
}

// serve answers until ctx ends or a listener fails.
func (s *server) serve(ctx context.Context, plan Plan, public, local net.Listener) error {
	errs := slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	// A client with too many cookies gets the answer of the house, which removes some, up to 128 KiB.
	front := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 75 * time.Second, MaxHeaderBytes: 128 << 10, ErrorLog: errs}
	failed := make(chan error, 2)
	var running sync.WaitGroup
	begin := func(server *http.Server, l net.Listener, name string) {
		running.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("the %s listener: %w", name, err)
			}
		})
	}
	begin(front, public, "public")
	var back *http.Server
	var localAddr net.Addr
	if local != nil {
		// Profiles take as long as their client asks, so there is no time for the whole answer.
		back = &http.Server{Handler: s.local(local, plan.Profiles), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
			IdleTimeout: 75 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: errs}
		localAddr = local.Addr()
		begin(back, local, "local")
	}
	if s.cfg.Started != nil {
		s.cfg.Started(plan.Settings, public.Addr(), localAddr)
	}
	s.announce(ctx, "READY=1")
	defer context.AfterFunc(ctx, func() { s.draining.Store(true) })() // at once, also during a reload

	maintenance := time.NewTicker(maintainEvery)
	defer maintenance.Stop()
	var err error
	var reloading reload // the zero value: none is under way
	maintaining := s.beginMaintenance(ctx)
wait:
	for {
		asked, due := s.cfg.Reload, maintenance.C
		if reloading.done != nil {
			asked = nil // the next one waits
		}
		if maintaining != nil {
			due = nil
		}
		select {
		case err = <-failed:
			break wait
		case <-ctx.Done():
			break wait
		case <-asked:
			reloading = s.beginReload(ctx)
		case <-reloading.late:
			s.drop(reloading.done)
			s.endReload(ctx, outcome[*generation]{err: hangs("a reload", reloadLimit)})
			reloading = reload{}
		case r := <-reloading.done:
			s.endReload(ctx, r)
			reloading = reload{}
		case <-due:
			maintaining = s.beginMaintenance(ctx)
		case <-maintaining:
			maintaining = nil
		}
	}
	if reloading.done != nil {
		s.drop(reloading.done)
	}
	s.stop(context.WithoutCancel(ctx), front, back, failed, err == nil)
	running.Wait()
	return err
}

// beginMaintenance does what is due of the house that serves, beside the server: a vault in a file system that hangs
// must not hold up the signal to stop. The channel is closed at its end.
func (s *server) beginMaintenance(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	g := s.generations.enter()
	go func() {
		defer close(done)
		defer g.requests.Done()
		bounded, cancel := context.WithTimeout(ctx, maintainTimeout)
		defer cancel()
		if err := g.house.Maintain(bounded); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "postern: maintenance", "err", err)
		}
	}()
	return done
}

// stop makes the server not ready, and then lets requests of the public listener end and closes the local one last.
// With drain it serves new requests for a while before, so that a balancer can see that it is not ready.
func (s *server) stop(ctx context.Context, front, back *http.Server, failed <-chan error, drain bool) {
	s.draining.Store(true)
	s.announce(ctx, "STOPPING=1")
	if d := s.generations.current().plan.Drain; drain && d > 0 {
		s.log.InfoContext(ctx, "postern: not ready any more; the listener closes after [server] drain", "drain", d.String())
		select {
		case <-s.cfg.After(d):
		case err := <-failed:
			s.log.ErrorContext(ctx, "postern: a listener failed while the server stopped", "err", err)
		}
	}
	limit := s.generations.current().plan.Shutdown
	if limit <= 0 {
		limit = defaultShutdown
	}
	s.log.InfoContext(ctx, "postern: stopping", "limit", limit.String())
	end, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := front.Shutdown(end); err != nil {
		s.log.WarnContext(ctx, "postern: requests were cut off: they took longer than [server] shutdown", "limit", limit.String())
		front.Close()
	}
	if back != nil {
		back.Close()
	}
}

func (s *server) announce(ctx context.Context, state string) {
	if err := listen.Notify(s.cfg.LookupEnv, state); err != nil {
		s.log.WarnContext(ctx, "postern: systemd did not get the state of this process", "err", err)
	}
}

// retire closes the house of a generation that no longer serves, when its last request has ended.
func (s *server) retire(g *generation) {
	s.closing.Go(func() {
		g.requests.Wait()
		s.closeHouse(g)
	})
}

func (s *server) closeHouse(g *generation) {
	if err := g.house.Close(); err != nil {
		s.log.Warn("postern: closing the house", "err", err)
	}
}

// waitForHouses waits until each house is closed. A request that does not end although its connection was closed, and
// a reload or maintenance that hangs, are not waited for long: the end of the process ends them.
func (s *server) waitForHouses() {
	closed := make(chan struct{})
	go func() { s.closing.Wait(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(lastPatience):
		s.log.Warn("postern: a request, an opening or maintenance does not end; its database connections are given up")
	}
}

func (s *server) setLevel(plan Plan) error {
	level, err := ParseLevel(plan.LogLevel)
	if err == nil {
		s.level.Set(level)
	}
	return err
}
