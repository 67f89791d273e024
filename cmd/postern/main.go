package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/posternauth/postern/users/foreign"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	status := run(ctx, os.Args[1:], world{os.Stdin, os.Stdout, os.Stderr, time.Now})
	stop()
	os.Exit(status)
}

// world is what a command sees of the outside.
type world struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
}

// Exit statuses.
const (
	statusOK    = 0
	statusNo    = 1 // a token is not valid, or the command failed
	statusUsage = 2
)

type commands struct {
	Dev   devCommand   `cmd:"" help:"Try all of Postern on this machine: sign-in, account, administration, local provider and inbox."`
	Serve serveCommand `cmd:"" help:"Serve the whole auth server that a configuration file describes."`
	Keys  keysGroup    `cmd:"" help:"Make, list, publish and revoke signing keys."`
	Token tokenGroup   `cmd:"" help:"Look into tokens and check them."`

	Config    configGroup    `cmd:"" help:"Check and explain the configuration of postern serve."`
	Lambda    lambdaCommand  `cmd:"" help:"Run a Lambda function on this machine, behind what would be API Gateway."`
	Sessions  sessionsGroup  `cmd:"" help:"List, show and end sessions that are kept in a store."`
	Users     usersGroup     `cmd:"" help:"List, add, change, import and export users that are kept in a store."`
	Secrets   secretsGroup   `cmd:"" help:"Set, print, list and remove the secrets of an application."`
	Audit     auditGroup     `cmd:"" help:"Check the files of an audit log."`
	Passwords passwordsGroup `cmd:"" help:"Make lists of common passwords."`
	Doctor    doctorCommand  `cmd:"" help:"Look for mistakes in a deployment, a configuration or a template, and say what to do."`
	Migrate   migrateCommand `cmd:"" help:"Make or upgrade the tables of a store, or print the SQL that does."`

	Help    helpCommand    `cmd:"" help:"Explain a command, like --help after it."`
	Version versionCommand `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print a script for bash, zsh or fish that completes commands and flags."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version and end." short:"V"`
}

const about = `Authentication for Go: sign-in, sessions and keys.

Start here:  postern dev`

// vars are the words of the grammar above that the code knows.
func vars() kong.Vars {
	var formats []string
	for _, f := range foreign.Formats() {
		formats = append(formats, string(f))
	}
	return kong.Vars{"version": version(), "algorithms": keyAlgorithms, "formats": strings.Join(formats, ", ")}
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command, such as token verify. Default: the whole of postern."`
}

// Run prints what --help would.
func (c helpCommand) Run(k *kong.Context) error {
	about, err := kong.Trace(k.Kong, c.Command)
	if err == nil {
		err = about.Error
	}
	if err != nil {
		return usagef("help: %v", err)
	}
	return about.PrintUsage(false)
}

type versionCommand struct{}

// Run prints what --version would.
func (versionCommand) Run(w world) error {
	_, err := fmt.Fprintln(w.out, version())
	return err
}

// usageError is a command line that cannot be followed.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// errInvalid ends a command with statusNo when what there is to say has been said.
var errInvalid = errors.New("not valid")

// errRefused ends a command with statusUsage when the mistake has been printed.
var errRefused = errors.New("refused")

// ended is how kong leaves after --help and --version.
type ended struct{ status int }

// run is the whole command: main without the process around it.
func run(ctx context.Context, args []string, w world) (status int) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case ended:
			status = e.status
		default:
			panic(e)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("postern"),
		kong.Description(about),
		kong.Writers(w.out, w.err),
		kong.Exit(func(status int) { panic(ended{status}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		vars(),
	)
	if err != nil { // the grammar above is wrong
		fmt.Fprintln(w.err, "postern:", err)
		return statusUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(idsLast(args))
	if err != nil {
		where, takesCommands := "postern", true
		var p *kong.ParseError
		if errors.As(err, &p) && p.Context.Selected() != nil {
			where, takesCommands = p.Context.Selected().FullPath(), len(p.Context.Selected().Children) > 0
		}
		text := err.Error()
		if takesCommands {
			text = strings.Replace(text, "unexpected argument", "unknown command", 1)
		}
		if where == "postern secrets set" && strings.HasPrefix(text, "unexpected argument") {
			text = valueGiven
		}
		fmt.Fprintf(w.err, "postern: %s\n", text)
		fmt.Fprintf(w.err, "Try: %s --help\n", where)
		return statusUsage
	}
	if name := emptyPlace(k); name != "" {
		fmt.Fprintf(w.err, "postern: --%s is empty: give it a value, or leave it out\nTry: %s --help\n", name, k.Selected().FullPath())
		return statusUsage
	}
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(w)
	var usage usageError
	switch err := k.Run(); {
	case err == nil:
		return statusOK
	case errors.Is(err, errInvalid):
		return statusNo
	case errors.Is(err, errRefused):
		return statusUsage
	case errors.As(err, &usage):
		fmt.Fprintf(w.err, "postern: %v\nTry: %s --help\n", err, k.Selected().FullPath())
		return statusUsage
	default:
		fmt.Fprintf(w.err, "postern: %v\n", err)
		return statusNo
	}
}

// emptyPlace returns the name of a flag for a place that was given with an empty value, as from a variable of the shell
// that is not set. The command would go on with the place it has by default, such as the keys of postern dev.
func emptyPlace(k *kong.Context) string {
	for _, p := range k.Path {
		if p.Flag != nil && !p.Resolved && slices.Contains([]string{"config", "store", "vault", "in"}, p.Flag.Name) && k.FlagValue(p.Flag) == "" {
			return p.Flag.Name
		}
	}
	return ""
}

// release is the version of a released binary, set by the linker. It is empty in a binary built by go install or go
// run, where the build information has the version of the module.
var release string

func version() string {
	if release != "" {
		return "postern " + release
	}
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return "postern " + v
}
