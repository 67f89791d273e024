package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/posternauth/postern/internal/doctor"
)

type doctorCommand struct {
	Config   string   `placeholder:"FILE" help:"A configuration of postern serve, with the store, the vault, the mail server and the providers that it names. Run it where the server runs."`
	Issuer   string   `placeholder:"URL" env:"POSTERN_ISSUER" help:"The issuer of a running deployment, which is looked at from here."`
	Origin   []string `placeholder:"ORIGIN" help:"An origin of a front end that may call with credentials; may be given several times."`
	Limits   bool     `help:"With --issuer, try out the limits too: this machine is refused for some minutes afterwards."`
	Template []string `placeholder:"FILE" help:"A template of SAM or CloudFormation, a serverless.yml or a plan of Terraform as JSON; may be given several times."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// Help is shown below the usage line.
func (doctorCommand) Help() string {
	return `Looks for mistakes in what is in front of and around Postern, and says what to do for each. It signs nobody in and changes nothing.

  postern doctor --issuer https://api.example.com/auth
  postern doctor --config postern.toml
  postern doctor --template template.yaml

Every finding has an id, which stays as it is, and is explained in docs/doctor.md. Exit status: 1 if a finding is an error, 0 if none is, 2 for a wrong command line.`
}

// Run looks at everything that was named.
func (c doctorCommand) Run(ctx context.Context, w world) error {
	if c.Config == "" && c.Issuer == "" && len(c.Template) == 0 {
		return usagef("doctor: name something to look at: --config FILE, --issuer URL or --template FILE")
	}
	var settings []byte
	if c.Config != "" {
		var err error
		if settings, err = readFile(c.Config, 4<<20); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
	}
	files := map[string][]byte{}
	for _, name := range c.Template {
		data, err := readFile(name, maxTemplate)
		if err != nil {
			return fmt.Errorf("--template: %w", err)
		}
		files[name] = data
	}
	report := &doctor.Report{Findings: []doctor.Finding{}, Checked: []string{}}
	if c.Config != "" {
		if config, ok := checkConfig(ctx, w, c.Config, settings, report); ok && c.Issuer != "" {
			c.Origin = append(c.Origin, config.Origins...)
			if report.Ran("issuer-differs"); config.Issuer != c.Issuer {
				report.Found("issuer-differs", c.Config+": issuer", fmt.Sprintf("%q, and --issuer is %q", config.Issuer, c.Issuer))
			}
		}
	}
	if c.Issuer != "" {
		doctor.Deployment{Issuer: c.Issuer, Origins: c.Origin, Limits: c.Limits}.Check(ctx, report)
	}
	for _, name := range c.Template {
		doctor.Template(name, files[name], report)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("doctor: interrupted: %w", ctx.Err())
	}
	report.Sort()
	if err := c.print(w, report); err != nil {
		return err
	}
	if report.Failed() {
		return errInvalid
	}
	return nil
}

const maxTemplate = 64 << 20 // bytes; package doctor refuses less, and says so

// readFile reads a file of at most so many bytes.
func readFile(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d MiB", name, most>>20)
	}
	return data, err
}

func (c doctorCommand) print(w world, report *doctor.Report) error {
	if c.JSON {
		encoder := json.NewEncoder(w.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(report)
	}
	var b strings.Builder
	for _, f := range report.Findings {
		fmt.Fprintf(&b, "%s %s\n  at   %s\n  seen %s\n  do   %s\n  see  %s\n\n", f.Level, f.ID, f.Where, f.Seen, f.Do, f.Doc)
	}
	fmt.Fprintf(&b, "%s, %s, %s; %d kinds of finding looked for.\n", count(int64(report.Count(doctor.Error)), "error"),
		count(int64(report.Count(doctor.Warning)), "warning"), count(int64(report.Count(doctor.Note)), "note"), len(report.Checked))
	_, err := fmt.Fprint(w.out, b.String())
	return err
}
