package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A cold is a function whose start is measured.
type cold struct {
	name    string
	module  string // of the package: "." is this one, ".." the library's
	pkg     string // a main package; empty for Node
	tags    string // further build tags, each with a comma before it
	command []string
	env     []string
	event   []byte
	right   string // in each answer
}

// colds are the contenders: the least there can be, functions of ours, and what others are written with.
// Those whose names only does not match are left out; the echo stays, because the others are compared with it.
func colds(dir string, only *regexp.Regexp) ([]cold, error) {
	m, err := newColdMaterial()
	if err != nil {
		return nil, err
	}
	all := []cold{
		{name: echoName, module: ".", pkg: "./coldstart/echo", event: m.authorizerEvent, right: `"TOKEN"`},
		{name: authorizerName, module: "..", pkg: "./examples/lambda-authorizer/authorizer", env: m.env, event: m.authorizerEvent, right: `"Allow"`},
		{name: authName, module: "..", pkg: "./examples/lambda-http", env: m.authEnv, event: m.authEvent, right: `"statusCode":200`},
		{name: usersName, module: ".", pkg: "./coldstart/users", env: m.authEnv, event: m.authEvent, right: `"statusCode":200`},
		{name: passkeysName, module: ".", pkg: "./coldstart/users", tags: ",passkey", env: m.authEnv, event: m.authEvent, right: `"statusCode":200`},
		{name: pagesName, module: ".", pkg: "./coldstart/users", tags: ",pages", env: m.authEnv, event: m.authEvent, right: `"statusCode":200`},
		{name: sesName, module: ".", pkg: "./coldstart/users", tags: ",ses", env: m.authEnv, event: m.authEvent, right: `"statusCode":200`},
		{name: serverName, module: "..", pkg: "./cmd/postern-lambda", env: m.serverEnv, event: m.serverEvent, right: `"statusCode":200`},
		{name: rotatorName, module: "..", pkg: "./cmd/postern-lambda", env: append(m.serverEnv, "_HANDLER=rotator"), event: []byte("{}"), right: `"rotated":false`},
		{name: "golang-jwt authorizer", module: ".", pkg: "./coldstart/golangjwt", env: m.env, event: m.authorizerEvent, right: `"Allow"`},
	}
	chosen := func(c cold) bool { return c.name == echoName || only.MatchString(c.name) }
	all = slices.DeleteFunc(all, func(c cold) bool { return !chosen(c) })
	for i, c := range all {
		path := filepath.Join(dir, fmt.Sprintf("function%d", i))
		if err := buildCold(c, path); err != nil {
			return nil, err
		}
		all[i].command = []string{path}
	}
	if err := nodeMissing(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return all, nil
	}
	for _, lib := range []string{"jose", "aws-jwt-verify"} {
		node := cold{
			name: "Node, " + lib, command: []string{"node", "node/coldstart.mjs", lib}, env: m.env, event: m.authorizerEvent, right: `"Allow"`,
		}
		if chosen(node) {
			all = append(all, node)
		}
	}
	return all, nil
}

const (
	echoName       = "aws-lambda-go echo"
	authorizerName = "authorizer"
	authName       = "auth function with DynamoDB"
	usersName      = "users with DynamoDB"
	passkeysName   = "users and passkeys with DynamoDB"
	pagesName      = "users and pages with DynamoDB"
	sesName        = "users and SES with DynamoDB"
	serverName     = "postern-lambda as auth"
	rotatorName    = "postern-lambda as rotator"
)

// buildCold builds as for deployment; arch is that of this machine unless GOARCH says otherwise.
func buildCold(c cold, path string, env ...string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc"+c.tags, "-ldflags", "-s -w", "-o", abs, c.pkg)
	cmd.Dir, cmd.Env = c.module, append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", c.pkg, err, out)
	}
	return nil
}

// coldstart measures how long functions take from their start to the first question for work and to the first answer,
// and what memory they take, behind an endpoint that speaks the Runtime API.
func coldstart(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench coldstart", flag.ContinueOnError)
	starts := flags.Int("starts", 50, "how often each function is started")
	only := flags.String("only", "", "a regular expression: functions with such names, and the echo")
	least := flags.Bool("least", false, "prints the least of each figure in place of the median, for a machine that does other work")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names, err := regexp.Compile(*only)
	if flags.NArg() > 0 || *starts < 1 || err != nil {
		return errors.New("coldstart takes flags only; -h shows them")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := colds(dir, names)
	if err != nil {
		return err
	}
	measured, err := startInTurns(all, *starts)
	if err != nil {
		return err
	}
	return printStarts(out, all, measured, *least)
}

// starts is what was measured of one function, a figure for each start.
type starts struct{ poll, first, warm, memory []float64 }

// startInTurns starts all functions in each round, in another order each time.
func startInTurns(all []cold, rounds int) ([]starts, error) {
	measured := make([]starts, len(all))
	for round := range rounds + 1 {
		for _, i := range rand.Perm(len(all)) {
			s, err := startOnce(all[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			if round == 0 { // reads the files from the disk
				continue
			}
			m := &measured[i]
			m.poll = append(m.poll, ms(s.poll))
			m.first = append(m.first, ms(s.first))
			m.warm = append(m.warm, ms(s.warm))
			m.memory = append(m.memory, float64(s.memory)/(1<<20))
		}
	}
	return measured, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func printStarts(out io.Writer, all []cold, measured []starts, least bool) error {
	q, times := 0.5, ratio
	if least {
		q, times = 0, func(a, b []float64) float64 { return slices.Min(a) / slices.Min(b) }
	}
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "cold start\tbinary MB\tto first poll ms\tx echo\tfirst call ms\twarm call ms\tmemory MiB\t\n")
	for i, c := range all {
		m := measured[i]
		size := "-"
		if info, err := os.Stat(c.command[0]); err == nil && c.pkg != "" {
			size = fmt.Sprintf("%.2f", float64(info.Size())/1e6)
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.1f\t\n", c.name, size, quantile(m.poll, q), times(m.poll, measured[0].poll), quantile(m.first, q), quantile(m.warm, q), quantile(m.memory, q))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, strings.TrimRight(b.String(), "\n")+"\n\n")
	return err
}
