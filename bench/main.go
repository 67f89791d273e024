// Command bench measures Postern beside the libraries that do the same, in one run and taking turns.
//
//	go run . verify   a token checked and read into typed values
//	go run . sign     a token made
//	go run . cache    a token that was checked before
//	go run . http     a server at saturation behind the middleware
//	go run . whole    whole authorization servers, each in a separate process
//	go run . flat     the memory of one of them over an hour, also while it is killed and its store is away
//	go run . sessions sessions created, checked and refreshed in each store
//	go run . growth   the same sessions among a thousand and among ten million
//	go run . adapters an http.Handler served by the events of Lambda
//	go run . coldstart how functions start
//
// The peers on Node run if node is installed and their packages are: (cd node && npm ci).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/posternauth/postern/keys"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options of all benchmarks.
type options struct {
	effort
	json bool
	svg  string
	algs []keys.Algorithm
	node bool
	note func(format string, args ...any) // prints a remark that is not a result
}

func run(args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == bareServer { // a child of whole
		return serveBare(args[1])
	}
	if len(args) > 0 && args[0] == "serve" { // a child of http
		return serve(os.Stdin, out)
	}
	if len(args) > 0 && args[0] == "sessions" {
		return sessions(args[1:], out)
	}
	if len(args) > 0 && args[0] == "whole" {
		return whole(args[1:], out)
	}
	if len(args) > 0 && args[0] == "flat" {
		return flat(args[1:], out)
	}
	if len(args) > 0 && args[0] == "growth" {
		return growth(args[1:], out)
	}
	if len(args) > 0 && args[0] == "coldstart" {
		return coldstart(args[1:], out)
	}
	if len(args) > 0 && args[0] == "adapters" {
		return adaptersCommand(args[1:], out)
	}
	benches := map[string]func(options) ([]result, error){"verify": verify, "sign": sign, "cache": cache, "http": overHTTP}
	usage := errors.New("say what to measure: verify, sign, cache, http, whole, flat, sessions, growth, adapters or coldstart; -h shows the flags")
	if len(args) == 0 {
		return usage
	}
	bench, known := benches[args[0]]
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	o := options{note: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	rounds, turn := 40, 20*time.Millisecond
	if args[0] == "http" {
		rounds, turn = 10, time.Second
	}
	flags.IntVar(&o.rounds, "rounds", rounds, "how often each contender has its turn")
	flags.DurationVar(&o.turn, "turn", turn, "how long a turn is")
	flags.BoolVar(&o.json, "json", false, "print one JSON object a row instead of a table")
	flags.StringVar(&o.svg, "svg", "", "write a chart of the ratios to this `file`")
	flags.BoolVar(&o.node, "node", true, "let the peers on Node take part")
	algs := flags.String("alg", "RS256,ES256,EdDSA,HS256", "algorithms, separated by commas")
	if !known {
		if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
			flags.Usage()
			return flag.ErrHelp
		}
		return usage
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.turn <= 0 {
		return usage
	}
	for _, name := range strings.Split(*algs, ",") {
		alg := keys.Algorithm(name)
		if !contains(algorithms, alg) {
			return fmt.Errorf("algorithm %q: choose from %v", name, algorithms)
		}
		o.algs = append(o.algs, alg)
	}
	results, err := bench(o)
	if err != nil {
		return err
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, chart(results), 0o644); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(out, results)
	}
	for _, group := range byAlgorithm(results) {
		show := printTable
		if args[0] == "http" {
			show = printRates
		}
		if err := show(out, group); err != nil {
			return err
		}
	}
	return nil
}
