package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/posternauth/postern/internal/loopback"
)

type devCommand struct {
	Addr string `default:"127.0.0.1:8420" placeholder:"HOST:PORT" help:"Where to listen; port 0 takes any free one. Default: 127.0.0.1:8420"`
	dataFlag

	For      string   `placeholder:"URL" help:"Serve a program that runs beside, instead of the demo: the URL of its auth handler, such as http://localhost:8080/auth."`
	Callback []string `sep:"none" placeholder:"URL" help:"With --for: one more callback address, of a provider that is not named google or github. May be given several times."`
	SMTP     string   `name:"smtp" placeholder:"HOST:PORT" help:"With --for: where the inbox takes mail. Default: 127.0.0.1:1025, or any free port if a program is started."`
	Program  []string `arg:"" optional:"" passthrough:"" placeholder:"PROGRAM" help:"With --for: a program to start with the settings in its environment, such as -- go run ."`
}

// Help is shown below the usage line.
func (devCommand) Help() string {
	return `Opens a demo page, so that Postern can be tried without writing a line: sign-up with an address or a username, passwords, passkeys, mailed links and codes, Google and GitHub, authenticator apps and recovery codes, the account pages and the administration. Settings of the demo page ask for the address first, offer a passkey, and demand a second factor. A provider on this machine stands in for Google and GitHub and lets you be anybody; mail is caught in an inbox. Nothing leaves the machine.

  /                 the demo page: sign in, and see what an application sees
  /inbox            the mail; /inbox.json is for scripts
  /token            the token inspector: what a token says, and what is wrong with it
  /auth             the auth handler: GET lists the providers
  /auth/account     the account pages
  /auth/admin       the administration
  /auth/.well-known/jwks.json
                    the keys, for your own service to check tokens with
  /idp/google/.well-known/openid-configuration
                    the metadata of the provider; the other one is below /idp/github
  /api/me           an endpoint that needs a session

Two people are there from the beginning, an ordinary one and an administrator. Their password is printed at the start. It is for development alone: everybody who reaches the inbox can sign in as anybody, so the server listens on this machine only.

Examples:

  postern dev
  postern dev --addr 127.0.0.1:9000 --data /tmp/try-postern

Users stay signed in over restarts: keys and database are kept in the data folder.

With --for there is no demo. A program that runs on this machine, started by go run for example, gets a Google, a GitHub, an inbox that takes mail by SMTP, and the token inspector. The settings that it needs are printed. This prints them and starts the program with them; both end together:

  postern dev --for http://localhost:8080/auth -- go run .

The callback addresses of the providers are URL/google/callback and URL/github/callback.`
}

// Run serves until the context ends.
func (c devCommand) Run(ctx context.Context, w world) error {
	switch {
	case len(c.Program) > 0 && strings.HasPrefix(c.Program[0], "-") && c.Program[0] != "--":
		return usagef("dev: unknown flag %s", calm(c.Program[0]))
	case c.For != "":
		return c.runFor(ctx, w)
	case len(c.Program) > 0:
		return usagef("dev: unexpected argument %s: a program to start goes with --for", c.Program[0])
	case c.SMTP != "" || len(c.Callback) > 0:
		return usagef("dev: --smtp and --callback go with --for")
	}
	listeners, url, err := listen(ctx, c.Addr, "dev", "it lets anybody be anybody")
	if err != nil {
		return err
	}
	d, err := openDev(ctx, folder(c.Data), url, w)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer d.close()

	fmt.Fprintf(w.out, "%s\n\n", url)
	fmt.Fprintf(w.out, "  Open it to sign in. Mail arrives at %s/inbox, and %[1]s/token explains tokens.\n", url)
	fmt.Fprintf(w.out, "  The auth handler is %s/auth, data is kept in %s\n", url, c.Data)
	d.introduce(w)
	if !listeners[0].Addr().(*net.TCPAddr).IP.IsLoopback() { // 0.0.0.0, for a container
		fmt.Fprintln(w.out, "  Everybody who can reach this machine can sign in as anybody and read the inbox.")
	}
	fmt.Fprint(w.out, "  Stop with Ctrl-C.\n\n")
	return serve(ctx, listeners, newServer(d.handler, w.err))
}

// listen opens the address and returns the URL that people must use. It is always localhost: cookies and the issuer of
// tokens go by the name, and passkeys refuse an IP address. why says why the command serves nobody else.
func listen(ctx context.Context, addr, command, why string) ([]net.Listener, string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", usagef("--addr %s: want HOST:PORT, such as 127.0.0.1:8420", addr)
	}
	if host == "" {
		host = "localhost"
	}
	ip, err := netip.ParseAddr(host)
	if !loopback.Host(host) && (err != nil || !ip.IsUnspecified()) {
		return nil, "", usagef("--addr %s: %s is for this machine only, because %s; use 127.0.0.1 (or 0.0.0.0 inside a container)", addr, command, why)
	}
	var config net.ListenConfig
	first, err := config.Listen(ctx, "tcp", addr)
	switch {
	case inUse(err):
		return nil, "", taken(port, command)
	case err != nil:
		return nil, "", fmt.Errorf("listening on %s: %w", addr, err)
	}
	bound := first.Addr().(*net.TCPAddr) // of a TCP listener
	port = strconv.Itoa(bound.Port)
	listeners := []net.Listener{first}
	if bound.IP.IsLoopback() {
		// localhost may mean either address. A program on the other one would get our visitors.
		other := "::1"
		if bound.IP.To4() == nil {
			other = "127.0.0.1"
		}
		second, err := config.Listen(ctx, "tcp", net.JoinHostPort(other, port))
		switch {
		case err == nil:
			listeners = append(listeners, second)
		case inUse(err):
			first.Close()
			return nil, "", taken(port, command)
		} // any other error: this machine has only one kind of address
	}
	return listeners, siteURL(bound.Port), nil
}

// siteURL is how people and tokens name a server on this machine. The usual port of http goes without saying, and an
// issuer must leave it out.
func siteURL(port int) string {
	if port == 80 {
		return "http://localhost"
	}
	return "http://localhost:" + strconv.Itoa(port)
}

// inUse reports whether another program listens there already. Windows has another number for it (WSAEADDRINUSE).
func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, syscall.Errno(10048))
}

func taken(port, command string) error {
	next := "8421"
	if n, err := strconv.Atoi(port); err == nil && n < 65535 {
		next = strconv.Itoa(n + 1)
	}
	return fmt.Errorf(`port %s is taken, perhaps by another "postern %s". Stop that one, or use another port: postern %[2]s --addr 127.0.0.1:%[3]s`, port, command, next)
}

// newServer makes a server that slow and greedy clients cannot hold up.
func newServer(h http.Handler, errs io.Writer) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(errs, "postern: ", 0),
	}
}

// patience is how long running requests may go on after Ctrl-C.
const patience = time.Second

// serve serves until the context ends, then lets running requests finish, but waits for no one who stopped half-way.
func serve(ctx context.Context, listeners []net.Listener, server *http.Server) error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
	}
	var err error
	running := len(listeners)
	select {
	case err = <-failed:
		running--
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if server.Shutdown(end) != nil {
		server.Close()
	}
	for range running {
		<-failed
	}
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
