package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	server "github.com/posternauth/postern/internal/serve"
)

type configGroup struct {
	Check   configCheck   `cmd:"" help:"Check a configuration of postern serve."`
	Docs    configDocs    `cmd:"" help:"Print the reference of every setting, as Markdown."`
	Example configExample `cmd:"" help:"Print a small complete configuration."`
}

type configCheck struct {
	File string `arg:"" default:"postern.toml" env:"POSTERN_CONFIG" help:"The configuration. Default: postern.toml"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is shown below the usage line.
func (configCheck) Help() string {
	return `Reads the file and builds everything that it describes, with the variables of the environment and the files that it names. It calls nobody: neither secrets nor the store are read, so it runs in CI.

  postern config check postern.toml
  postern config check --json postern.toml | jq -r '.problems[].key'

The exit status is 0 for a file with which postern serve starts, as far as the file decides it, and 1 with at least one problem. Each problem has the line, the setting, what is wrong, and what to do.`
}

// A configReport is what the command prints with --json.
type configReport struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Problems []server.Problem `json:"problems"`
}

// Run lists the problems of a configuration.
func (c configCheck) Run(ctx context.Context, w world) error {
	data, err := readRegular(c.File)
	if err != nil {
		return fmt.Errorf("%w; postern config example > %s makes one", err, c.File)
	}
	config, _ := server.Parse(c.File, data, os.LookupEnv) // Check returns its problems too
	err = server.Check(ctx, config, server.Parts{LookupEnv: os.LookupEnv, ReadFile: readRegular, Now: w.now, Logger: slog.New(slog.DiscardHandler), Offline: offlineRules()})
	var invalid *server.Invalid
	if err != nil && !errors.As(err, &invalid) {
		return err
	}
	report := configReport{File: c.File, Valid: invalid == nil, Problems: []server.Problem{}}
	if invalid != nil {
		report.Problems = invalid.Problems
	}
	if c.JSON {
		out := json.NewEncoder(w.out)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(report); err != nil {
			return err
		}
	} else {
		for _, p := range report.Problems {
			fmt.Fprintln(w.out, calm(p.String()))
		}
	}
	switch n := len(report.Problems); {
	case n == 0 && !c.JSON:
		fmt.Fprintf(w.out, "%s: no problems\n", c.File)
	case n > 0 && !c.JSON:
		fmt.Fprintf(w.err, "postern: %s; postern config docs explains every setting\n", count(int64(n), "problem"))
	}
	if !report.Valid {
		return errInvalid
	}
	return nil
}

type configDocs struct{}

// Run prints the reference.
func (configDocs) Run(w world) error { return server.Docs(w.out) }

type configExample struct{}

// Help is shown below the usage line.
func (configExample) Help() string {
	return `Prints a small complete file. It passes config check, and a server starts with it:

  postern config example > postern.toml
  export POSTERN_VAULT_KEY=$(openssl rand -base64 32)
  postern serve --config postern.toml`
}

// Run prints the file.
func (configExample) Run(w world) error {
	_, err := io.WriteString(w.out, server.Example())
	return err
}
