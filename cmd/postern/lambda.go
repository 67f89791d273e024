package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

type lambdaCommand struct {
	Function string `arg:"" placeholder:"BOOTSTRAP" help:"The bootstrap, as it goes into the zip for provided.al2023; or the folder of its main package, which is then built."`

	Addr      string   `default:"127.0.0.1:3000" placeholder:"HOST:PORT" help:"Where to listen; port 0 takes any free one. Default: 127.0.0.1:3000"`
	Event     string   `default:"http" enum:"http,http-1.0,rest,url,alb,alb-multi" help:"What calls the function: an HTTP API (http, http-1.0), a REST API (rest), a function URL (url), a load balancer without or with multi-value headers (alb, alb-multi). Default: http"`
	Stage     string   `placeholder:"NAME" help:"Put this stage in front of every path, as the generated URL of an API does. Default: no stage, as on a custom domain."`
	Env       []string `short:"e" sep:"none" placeholder:"NAME=VALUE" help:"Set an environment variable of the function, or pass on the one of this name. May be given several times; nothing else is passed on."`
	EnvFile   []string `name:"env-file" sep:"none" placeholder:"FILE" help:"Set the environment variables of a file: lines of NAME=value. May be given several times; a later file, and --env, win."`
	Timeout   span     `default:"3s" placeholder:"TIME" help:"End a call that takes longer. Default: 3s, as on Lambda"`
	Memory    int      `default:"128" placeholder:"MB" help:"The memory that the function sees in its environment. Default: 128"`
	Processes int      `default:"1" placeholder:"N" help:"The largest number of processes. Lambda starts one for each call that finds none idle; here calls wait. Default: 1"`

	Rebuild bool `default:"true" negatable:"" help:"Build a folder again when its files change, and go on with the new function once it is built. On unless --no-rebuild is given."`

	Authorizer       string   `placeholder:"BOOTSTRAP" help:"Ask this function, a Lambda authorizer, before every call."`
	AuthorizerType   string   `default:"request" enum:"request,token" help:"What a REST API sends it. Default: request"`
	AuthorizerCache  span     `default:"300s" placeholder:"TIME" help:"How long what it said is kept; 0 for not at all. Default: 300s, as on REST APIs"`
	AuthorizerSource []string `sep:"none" placeholder:"EXPRESSION" help:"Where the token is, such as method.request.header.Cookie. May be given several times. Default: the Authorization header"`
	JWT              string   `name:"jwt" placeholder:"ISSUER" help:"Check tokens of this issuer before every call, as a JWT authorizer does."`
	Audience         []string `placeholder:"NAME" help:"What the tokens must be for. With --jwt; may be given several times."`
	Open             []string `sep:"none" placeholder:"PATH" help:"Let calls of this path through without asking, such as /public or '/auth/{proxy+}'. May be given several times."`
}

// Help is shown below the usage line.
func (lambdaCommand) Help() string {
	return `Runs a function as Lambda does, in separate processes behind an emulated Runtime API, and serves it over HTTP as API Gateway would: events, limits, authorizers and their caches included. Nothing is sent to AWS.

A refusal that API Gateway keeps to its logs is explained here. What the function prints is printed.

A file of variables has lines of NAME=value, comments that begin with #, and empty lines. A value with a space, a quote or one of ` + "` # $ \\" + ` stands in single quotes, as it is, or in double quotes, where \n, \r, \t, \", \$ and \\ are understood. Nothing is replaced, and a value is on one line.`
}

// eventKinds are the values of --event.
var eventKinds = map[string]lambdatest.APIType{
	"http": lambdatest.HTTPAPI, "http-1.0": lambdatest.HTTPAPIv1, "rest": lambdatest.REST,
	"url": lambdatest.FunctionURL, "alb": lambdatest.ALB, "alb-multi": lambdatest.ALBMultiValue,
}

// Run serves until the context ends.
func (c lambdaCommand) Run(ctx context.Context, w world) error {
	out, errs := &oneAtATime{w: w.out}, &oneAtATime{w: w.err}
	listeners, site, err := listen(ctx, c.Addr, "lambda", "it has none of the protection of AWS")
	if err != nil {
		return err
	}
	gateway, done, err := c.gateway(ctx, out, errs)
	if err != nil {
		closeAll(listeners)
		return err
	}
	defer done()
	if c.Stage != "" {
		site += "/" + c.Stage
	}
	fmt.Fprintf(out, "%s\n\n  It calls %s by events of %s.\n  Stop with Ctrl-C.\n\n", site, c.Function, article(eventKinds[c.Event]))
	server := newServer(onlyLocalhost(logged(gateway, out), site, noRedirect), errs)
	server.WriteTimeout = 0 // the gateway has its own limit
	return serve(ctx, listeners, server)
}

func isAPI(k lambdatest.APIType) bool {
	return k == lambdatest.HTTPAPI || k == lambdatest.HTTPAPIv1 || k == lambdatest.REST
}

func article(k lambdatest.APIType) string {
	switch name := k.String(); {
	case strings.HasPrefix(name, "HTTP"), strings.HasPrefix(name, "A"):
		return "an " + name
	default:
		return "a " + name
	}
}

// gateway puts a gateway in front of the function. progress gets a line for each build. done ends all processes.
func (c lambdaCommand) gateway(ctx context.Context, out, progress io.Writer) (_ http.Handler, done func(), err error) {
	var ends []func()
	end := func() {
		for _, f := range ends {
			f()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	if c.Processes < 1 || c.Memory < 1 || c.Timeout == 0 {
		return nil, nil, usagef("lambda: --processes, --memory and --timeout must be above zero")
	}
	if c.Stage != "" && !isAPI(eventKinds[c.Event]) {
		return nil, nil, usagef("lambda: %s has no stage", article(eventKinds[c.Event]))
	}
	env, err := functionEnv(c.EnvFile, c.Env)
	if err != nil {
		return nil, nil, err
	}
	start := func(what string) (lambdatest.Function, error) {
		f, end, err := c.function(ctx, what, env, out, progress)
		if err == nil {
			ends = append(ends, end)
		}
		return f, err
	}
	guard, err := c.guard(start)
	if err != nil {
		return nil, nil, err
	}
	function, err := start(c.Function)
	if err != nil {
		return nil, nil, err
	}
	cfg := lambdatest.Config{
		Type:   eventKinds[c.Event],
		Stage:  c.Stage,
		Routes: c.routes(function, guard),
		OnDecision: func(d lambdatest.Decision) {
			if d.Reason != "" {
				fmt.Fprintf(out, "authorizer: %s\n", calm(d.Reason))
			}
		},
	}
	if c.Stage == "" && isAPI(cfg.Type) {
		cfg.Domain = "localhost" // a custom domain, so that no stage is in the path
	}
	gateway, err := lambdatest.New(cfg)
	if err != nil {
		return nil, nil, usagef("lambda: %s", strings.TrimPrefix(err.Error(), "lambdatest: "))
	}
	return gateway, end, nil
}

// guard is the authorizer that the command line asks for; nil if it asks for none.
func (c lambdaCommand) guard(start func(string) (lambdatest.Function, error)) (lambdatest.RouteAuthorizer, error) {
	kind := eventKinds[c.Event]
	switch {
	case c.JWT == "" && len(c.Audience) > 0:
		return nil, usagef("lambda: --audience goes with --jwt")
	case c.JWT == "" && c.Authorizer == "" && len(c.Open) > 0:
		return nil, usagef("lambda: --open goes with --authorizer or --jwt: without them every path is open")
	case c.JWT == "" && c.Authorizer == "":
		return nil, nil
	case c.JWT != "" && c.Authorizer != "":
		return nil, usagef("lambda: a route has one authorizer: take --authorizer or --jwt")
	case !isAPI(kind):
		return nil, usagef("lambda: %s has no authorizer: use --event http or rest", article(kind))
	case c.JWT != "":
		return &lambdatest.JWTAuthorizer{
			Issuer: c.JWT, Audience: c.Audience, AllowHTTP: onThisMachine(c.JWT), FetchTimeout: 10 * time.Second, // the issuer may be starting
		}, nil
	}
	a := &lambdatest.LambdaAuthorizer{
		Type: lambdatest.RequestAuthorizer, IdentitySource: c.AuthorizerSource, TTL: time.Duration(c.AuthorizerCache),
	}
	if c.AuthorizerCache == 0 {
		a.TTL = lambdatest.NoCache
	}
	switch {
	case c.AuthorizerType == "token":
		a.Type = lambdatest.TokenAuthorizer
	case kind == lambdatest.HTTPAPIv1:
		a.PayloadVersion = "1.0"
	case kind == lambdatest.HTTPAPI:
		a.SimpleResponses = true
	}
	f, err := start(c.Authorizer)
	a.Function = f
	return a, err
}

// onThisMachine reports whether a URL is one that need not be on https, because nothing of it goes over a network.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback.Host(u.Hostname())
}

// routes sends everything to the function, behind the authorizer except for the open paths.
func (c lambdaCommand) routes(f lambdatest.Function, guard lambdatest.RouteAuthorizer) []lambdatest.Route {
	paths := []string{"$default"}
	if c.Event == "rest" {
		paths = []string{"/", "/{proxy+}"} // a greedy path does not match the root
	}
	var all []lambdatest.Route
	for _, path := range c.Open {
		all = append(all, lambdatest.Route{Path: path, Function: f})
	}
	for _, path := range paths {
		all = append(all, lambdatest.Route{Path: path, Function: f, Authorizer: guard})
	}
	return all
}

// logged prints a line for each request. Queries stay out of it: codes and tokens travel there.
func logged(next http.Handler, out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answer := &statusOf{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		fmt.Fprintf(out, "%d  %s %s  %v\n", answer.status, calm(r.Method), calm(r.URL.EscapedPath()), time.Since(start).Round(100*time.Microsecond))
	})
}

type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// oneAtATime is a writer for several goroutines.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// reported prints what API Gateway would not show: starts of processes and failures of the function.
func reported(name string, out io.Writer) func(lambdatest.Report) {
	return func(r lambdatest.Report) {
		if r.Init > 0 {
			fmt.Fprintf(out, "%s: started in %v\n", name, r.Init.Round(100*time.Microsecond))
		}
		var failed *lambdatest.FunctionError
		if errors.As(r.Err, &failed) {
			fmt.Fprintf(out, "%s: %s: %s\n", name, calm(failed.Type), calm(failed.Message))
		} else if r.Err != nil {
			fmt.Fprintf(out, "%s: %s\n", name, calm(r.Err.Error()))
		}
	}
}
