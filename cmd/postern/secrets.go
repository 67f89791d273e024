package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/term"

	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
)

type secretsGroup struct {
	Set    secretsSet    `cmd:"" help:"Set a value, which is typed or read from standard input."`
	Get    secretsGet    `cmd:"" help:"Print a value."`
	List   secretsList   `cmd:"" help:"List the names that have a value, without the values."`
	Load   secretsLoad   `cmd:"" help:"Set the values of a file with lines of NAME=value."`
	Remove secretsRemove `cmd:"" help:"Remove a value."`
}

// secretsFlags name a place on the command line.
type secretsFlags struct {
	dataFlag
	In    string `placeholder:"PLACE" env:"POSTERN_SECRETS" help:"Where values are kept: ssm:PREFIX or secretsmanager:PREFIX, such as ssm:/sst, with the region and credentials of the AWS environment. Default: the data folder, sealed, for development."`
	App   string `required:"" placeholder:"APP" env:"POSTERN_APP" help:"The application."`
	Stage string `placeholder:"STAGE" env:"POSTERN_STAGE" help:"The stage, such as prod or pr-7."`
	Plain bool   `help:"Accept values that Postern did not write, such as those of SST."`
}

// keyFlags name a value in it.
type keyFlags struct {
	secretsFlags
	Fallback  bool `help:"The value that stages without their own use, whatever --stage says. Protected stages, such as prod, never use it."`
	Parameter bool `help:"A parameter, which may be shown, in place of a secret."`
}

// editor opens the place. Where create is set, the data folder is made if it is not there.
func (f secretsFlags) editor(ctx context.Context, create bool) (secrets.Editor, error) {
	if f.In == "" {
		data := folder(f.Data)
		if create {
			if err := data.create(); err != nil {
				return nil, err
			}
		} else if _, err := os.Stat(data.file(secretsFile)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there are no secrets in %s; set the first with: postern secrets set NAME --data %[1]s, or name another place with --in", f.Data)
			}
			return nil, err
		}
		key, err := data.vaultKey()
		return secrets.Sealed{Vault: keys.FileVault{Path: data.file(secretsFile), Sealer: keys.MasterKey(key)}}, err
	}
	place, prefix, ok := strings.Cut(f.In, ":")
	if !ok || place != "ssm" && place != "secretsmanager" {
		return nil, usagef("--in %s: want ssm:PREFIX or secretsmanager:PREFIX, such as ssm:/sst", calm(f.In))
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("--in: %w", err)
	}
	var editor secrets.Editor
	if place == "ssm" {
		editor, err = ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(loaded), Prefix: prefix, Plain: f.Plain})
	} else {
		editor, err = smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(loaded), Prefix: prefix, Plain: f.Plain})
	}
	if err != nil {
		return nil, usagef("--in %s: %v", calm(f.In), err)
	}
	return editor, nil
}

// stage returns the stage of the flags.
func (f secretsFlags) stage(fallback bool) (string, error) {
	if fallback {
		return secrets.FallbackStage, nil
	}
	if f.Stage == "" {
		return "", usagef("--stage is missing: name the stage, such as dev, or set POSTERN_STAGE")
	}
	return f.Stage, nil
}

func (f keyFlags) key(name string) (secrets.Key, error) {
	stage, err := f.stage(f.Fallback)
	if err != nil {
		return secrets.Key{}, err
	}
	key := secrets.Key{App: f.App, Stage: stage, Kind: secrets.Secret, Name: name}
	if f.Parameter {
		key.Kind = secrets.Parameter
	}
	if err := key.Check(); err != nil {
		return secrets.Key{}, usagef("%v", err)
	}
	return key, nil
}

type secretsSet struct {
	keyFlags
	Name string `arg:"" help:"The name, such as GOOGLE_CLIENT_SECRET."`
}

// Help is shown below the usage line.
func (secretsSet) Help() string {
	return `The value is never an argument: other people's process lists and the history of the shell would show it. In a terminal it is asked for and not shown; otherwise it is all of standard input, without one line break at the end:

  postern secrets set GOOGLE_CLIENT_SECRET --app shop --stage prod --in ssm:/sst < secret.txt

A running program has what it fetched. It takes the new value when it starts again, or after secrets.Config.TTL.`
}

// valueGiven is the answer to a value on the command line. It does not show the value, because a log of CI keeps it.
const valueGiven = "secrets set: a value is never an argument, where others see it: give another on standard input"

// Run sets the value.
func (c secretsSet) Run(ctx context.Context, w world) error {
	if strings.Contains(c.Name, "=") {
		return usagef("%s", valueGiven)
	}
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	editor, err := c.editor(ctx, true)
	if err != nil {
		return err
	}
	value, err := typedValue(w, key)
	if err != nil {
		return err
	}
	if err := editor.Set(ctx, key, value); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.err, "%s is set.\n", key)
	return err
}

// typedValue asks for a value in a terminal, without showing it, or reads it from standard input.
func typedValue(w world, key secrets.Key) (string, error) {
	if in, ok := w.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(w.err, "Value of %s (not shown): ", key)
		value, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(w.err)
		if err != nil {
			return "", fmt.Errorf("reading the value: %w", err)
		}
		return string(value), secrets.CheckValue(string(value))
	}
	data, err := io.ReadAll(io.LimitReader(w.in, secrets.MaxValue+3))
	if err != nil {
		return "", fmt.Errorf("reading the value: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	return value, secrets.CheckValue(value)
}

type secretsGet struct {
	keyFlags
	Reveal bool   `help:"Print the value also where standard output is no terminal, such as a pipe. The log of a CI job shows what is printed there."`
	Name   string `arg:"" help:"The name."`
}

// Run prints the value, with a line break.
func (c secretsGet) Run(ctx context.Context, w world) error {
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	if out, ok := w.out.(*os.File); !c.Reveal && !(ok && term.IsTerminal(int(out.Fd()))) {
		return usagef("secrets get prints into a terminal; add --reveal to print %s into a pipe, a file or the log of a CI job", key.Name)
	}
	editor, err := c.editor(ctx, false)
	if err != nil {
		return err
	}
	found, err := editor.Lookup(ctx, []secrets.Key{key})
	if err != nil {
		return err
	}
	value, ok := found[key]
	if !ok {
		return c.missing(ctx, editor, key)
	}
	if !c.Reveal && !fitsTerminal(value) { // with --reveal it is the business of who reads
		return fmt.Errorf("the value of %s has characters that a terminal obeys and does not show: print it with --reveal, into a file", key)
	}
	_, err = fmt.Fprintln(w.out, value)
	return err
}

// fitsTerminal reports whether a terminal shows a value as it is. Somebody else may have set it.
func fitsTerminal(value string) bool {
	return !strings.ContainsFunc(strings.NewReplacer("\r\n", "", "\n", "", "\t", "").Replace(value), text.Hidden)
}

// missing is the error for a value that is not there. The fallback stage may have one, which secrets list shows.
func (c secretsGet) missing(ctx context.Context, editor secrets.Editor, key secrets.Key) error {
	err := fmt.Errorf("%w for %s; set it with: postern secrets set %s, and the same flags", secrets.ErrMissing, key, key.Name)
	shared := key
	shared.Stage = secrets.FallbackStage
	if key.Stage == shared.Stage {
		return err
	}
	found, failed := editor.Lookup(ctx, []secrets.Key{shared})
	if _, ok := found[shared]; ok && failed == nil {
		return fmt.Errorf("%w. The fallback stage has one: add --fallback", err)
	}
	return err
}

type secretsList struct {
	secretsFlags
	JSON bool `name:"json" help:"Print JSON, one name a line."`
}

// A listedSecret is a line of secrets list --json.
type listedSecret struct {
	Name    string       `json:"name"`
	Kind    secrets.Kind `json:"kind"`
	Stage   string       `json:"stage"`
	Changed time.Time    `json:"changed,omitzero"`
}

// Run lists the names of the stage, and those of the fallback stage.
func (c secretsList) Run(ctx context.Context, w world) error {
	stages := []string{secrets.FallbackStage}
	if c.Stage != "" {
		stages = []string{c.Stage, secrets.FallbackStage}
	}
	editor, err := c.editor(ctx, false)
	if err != nil {
		return err
	}
	var all []secrets.Entry
	for _, stage := range stages {
		if err := (secrets.Key{App: c.App, Stage: stage, Kind: secrets.Secret, Name: "NAME"}).Check(); err != nil {
			return usagef("%v", err)
		}
		list, err := editor.List(ctx, c.App, stage)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	if c.JSON {
		encoder := json.NewEncoder(w.out)
		for _, e := range all {
			if err := encoder.Encode(listedSecret{e.Key.Name, e.Key.Kind, e.Key.Stage, e.Changed.UTC()}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w.err, "There are no values.")
		return err
	}
	table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKIND\tSTAGE\tCHANGED")
	for _, e := range all {
		changed := "-"
		if !e.Changed.IsZero() {
			changed = inWords(e.Changed, w.now())
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", e.Key.Name, strings.ToLower(string(e.Key.Kind)), strings.TrimPrefix(e.Key.Stage, "."), changed)
	}
	return table.Flush()
}

type secretsLoad struct {
	secretsFlags
	Fallback bool   `help:"Set the values that stages without their own use, whatever --stage says."`
	File     string `arg:"" help:"The file; - is standard input."`
}

// Run sets every value of the file. All lines are read before the first is set.
func (c secretsLoad) Run(ctx context.Context, w world) error {
	stage, err := c.stage(c.Fallback)
	if err != nil {
		return err
	}
	in := w.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("secrets load: %w", err)
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(bufio.NewReader(in), 1<<20+1))
	if err != nil || len(data) > 1<<20 {
		return errors.Join(err, errors.New("secrets load: the file cannot be read, or is larger than 1 MiB"))
	}
	list, err := parseEnv(string(data))
	if err != nil {
		return fmt.Errorf("secrets load: line %w", err)
	}
	var all []secrets.Key
	for _, line := range list {
		key := secrets.Key{App: c.App, Stage: stage, Kind: secrets.Secret, Name: line.name}
		if err := errors.Join(key.Check(), secrets.CheckValue(line.value)); err != nil {
			return fmt.Errorf("secrets load: %s: %w", line.name, err)
		}
		all = append(all, key)
	}
	editor, err := c.editor(ctx, true)
	if err != nil {
		return err
	}
	for i, key := range all {
		if err := editor.Set(ctx, key, list[i].value); err != nil {
			return fmt.Errorf("secrets load: %d of %d are set: %w", i, len(all), err)
		}
	}
	_, err = fmt.Fprintf(w.err, "%s set.\n", count(int64(len(all)), "value"))
	return err
}

type secretsRemove struct {
	keyFlags
	Name string `arg:"" help:"The name."`
}

// Run removes the value.
func (c secretsRemove) Run(ctx context.Context, w world) error {
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	editor, err := c.editor(ctx, false)
	if err != nil {
		return err
	}
	if err := editor.Remove(ctx, key); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.err, "%s is removed.\n", key)
	return err
}
