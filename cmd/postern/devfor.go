package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/test/devpage"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/inbox"
)

// A setting is an environment variable for the program.
type setting struct{ name, value string }

// standIns is what `dev --for` serves: a Google, a GitHub and an inbox for a program that runs beside it.
type standIns struct {
	site
	base     string // URL of the program's auth handler
	handler  http.Handler
	mail     inbox.SMTP
	settings []setting
}

// localURL reads a URL of the program, which must be on this machine: the providers give an account to anybody.
func localURL(flag, text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return "", usagef("%s %q: want a plain URL such as http://localhost:8080/auth", flag, text)
	case !loopback.Host(u.Hostname()):
		return "", usagef("%s %s: this is for programs on this machine only, because the providers let anybody be anybody; use http://localhost:8080/auth or its like", flag, text)
	}
	return strings.TrimRight(text, "/"), nil
}

// runFor serves the stand-ins until the context ends, or the program does.
func (c devCommand) runFor(ctx context.Context, w world) error {
	base, err := localURL("--for", c.For)
	if err != nil {
		return err
	}
	more := make([]string, len(c.Callback))
	for i, text := range c.Callback {
		if more[i], err = localURL("--callback", text); err != nil {
			return err
		}
	}
	listeners, site, err := listen(ctx, c.Addr, "dev", "it lets anybody be anybody")
	if err != nil {
		return err
	}
	if strings.HasPrefix(base+"/", site+"/") {
		closeAll(listeners)
		return usagef("--for %s: that is where the providers are; give them another port with --addr", base)
	}
	post, err := c.listenSMTP(ctx)
	if err != nil {
		closeAll(listeners)
		return err
	}
	s, err := newStandIns(base, more, site, post.Addr().String(), w)
	if err != nil {
		closeAll(append(listeners, post))
		return err
	}
	s.print(w, site)
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return serve(ctx, listeners, newServer(s.handler, w.err)) },
		func(ctx context.Context) error { return s.mail.Serve(ctx, post) },
	}
	if program := c.program(); len(program) > 0 {
		parts = append(parts, func(ctx context.Context) error { return runProgram(ctx, program, s.settings, w) })
	}
	return together(ctx, parts)
}

// program returns the command line of the program to start. The parser keeps the -- in front of it.
func (c devCommand) program() []string {
	if len(c.Program) > 0 && c.Program[0] == "--" {
		return c.Program[1:]
	}
	return c.Program
}

// listenSMTP opens the address for mail. A program that is started here learns it from its environment, so any port
// will do.
func (c devCommand) listenSMTP(ctx context.Context) (net.Listener, error) {
	addr := c.SMTP
	switch {
	case addr == "" && len(c.program()) > 0:
		addr = "127.0.0.1:0"
	case addr == "":
		addr = "127.0.0.1:1025"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !loopback.Host(host) {
		return nil, usagef("--smtp %s: want HOST:PORT on this machine, such as 127.0.0.1:1025", addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for mail on %s: %w. Use another port, such as --smtp 127.0.0.1:1026", addr, err)
	}
	return l, nil
}

// newStandIns puts the providers and the inbox together. more are callback addresses beside those below base.
func newStandIns(base string, more []string, url, smtp string, w world) (*standIns, error) {
	const id, secret = "postern-dev", "not-a-secret"
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	page, err := newSite("Postern dev", "/assets/"+pages.Sheet(), devpage.Link{Text: "Your program", URL: "/"}, devpage.Link{Text: "Inbox", URL: "/inbox"},
		devpage.Link{Text: "Token inspector", URL: "/token"})
	if err != nil {
		return nil, err
	}
	box := inbox.New()
	box.Site, box.Hint = page.Site, "Your program sends it by SMTP to "+smtp+", the address in $SMTP."
	s := &standIns{site: page, base: base, mail: inbox.SMTP{Inbox: box, Base: base, Now: w.now}}
	mux := http.NewServeMux()
	for _, p := range []struct{ path, name, prefix string }{{"google", "Google", "GOOGLE_"}, {"github", "GitHub", "GITHUB_"}} {
		idp, err := fakeidp.New(fakeidp.Config{
			Issuer: url + "/idp/" + p.path, Name: p.name, Now: w.now,
			Clients: []fakeidp.Client{{ID: id, Secret: secret, RedirectURIs: append([]string{base + "/" + p.path + "/callback"}, more...)}},
		})
		if err != nil {
			return nil, err
		}
		mux.Handle("/idp/"+p.path+"/", idp)
		s.settings = append(s.settings,
			setting{p.prefix + "CLIENT_ID", id}, setting{p.prefix + "CLIENT_SECRET", secret}, setting{p.prefix + "ISSUER", idp.Issuer()})
	}
	s.settings = append(s.settings, setting{"SMTP", smtp})
	for _, path := range []string{"/inbox", "/inbox.json", "/inbox/"} {
		mux.Handle(path, box)
	}
	mux.HandleFunc("GET /{$}", s.home)
	mux.Handle("GET /assets/", http.StripPrefix("/assets", pages))
	keys, err := openJWKS(base + "/.well-known/jwks.json") // read when the first token is checked
	if err != nil {
		return nil, err
	}
	newInspector(page, checker{keys: keys, issuer: base}, w.now).routes(mux)
	mux.HandleFunc("/", s.nothing)
	s.handler = recoverPanics(onlyLocalhost(mux, url, needsCookie), w.err)
	return s, nil
}

// print shows in the terminal what the program needs.
func (s *standIns) print(w world, site string) {
	fmt.Fprintf(w.out, "%s\n\n  A Google, a GitHub and an inbox for %s.\n  Mail arrives at %[1]s/inbox, and %[1]s shows what to write.\n\n", site, s.base)
	for _, v := range s.settings {
		fmt.Fprintf(w.out, "  export %s=%s\n", v.name, v.value)
	}
	fmt.Fprint(w.out, "\n  Stop with Ctrl-C.\n\n")
}

// programCode is what a program needs for the stand-ins: two settings that are empty in production.
const programCode = `"google": oidc.Google(oidc.Config{
	ClientID:      os.Getenv("GOOGLE_CLIENT_ID"),
	ClientSecret:  os.Getenv("GOOGLE_CLIENT_SECRET"),
	Issuer:        os.Getenv("GOOGLE_ISSUER"), // empty: Google itself
	AllowInsecure: os.Getenv("GOOGLE_ISSUER") != "",
}),
"github": oauth.GitHub(oauth.Config{
	ClientID:      os.Getenv("GITHUB_CLIENT_ID"),
	ClientSecret:  os.Getenv("GITHUB_CLIENT_SECRET"),
	Issuer:        os.Getenv("GITHUB_ISSUER"), // empty: GitHub itself
	AllowInsecure: os.Getenv("GITHUB_ISSUER") != "",
}),`

// home is the page at /.
func (s *standIns) home(w http.ResponseWriter, _ *http.Request) {
	var settings []string
	for _, v := range s.settings {
		settings = append(settings, v.name+"="+v.value)
	}
	s.show(w, devpage.Page{
		Title: "For your program", Path: "/",
		Lead: "A Google, a GitHub and an inbox on this machine, for " + s.base + ". They check nothing, and nothing is sent to anybody.",
	}, "program", map[string]any{"Settings": settings, "Code": programCode})
}

// together runs the parts until one of them ends, ends the others, and returns the error of the first.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	errs := make(chan error, len(parts))
	for _, part := range parts {
		go func() { errs <- part(ctx) }()
	}
	first := <-errs
	end()
	for range len(parts) - 1 {
		<-errs
	}
	return first
}
