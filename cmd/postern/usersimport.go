package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
	"github.com/posternauth/postern/users/foreign"
)

// firebaseHashEnv is the environment variable with the hash parameters of a Firebase project.
const firebaseHashEnv = "POSTERN_FIREBASE_HASH"

type usersImport struct {
	directoryFlags
	From          string   `default:"postern" enum:"${formats}" placeholder:"SYSTEM" help:"Where the file comes from: ${formats}. Default: postern, the lines of users export."`
	Source        string   `placeholder:"NAME" help:"The name of the system, so that two systems of one kind can have the same ids. A repeated import needs the same. Default: the value of --from."`
	Accounts      string   `placeholder:"FILE" help:"A second file: the table account of better-auth, auth.identities of Supabase, or the password hashes of Auth0."`
	FirebaseHash  string   `placeholder:"FILE" help:"A file that only you can read, with the hash parameters of a Firebase project. Default: the environment variable POSTERN_FIREBASE_HASH has the text itself."`
	NoPasswords   bool     `help:"Take over people without their passwords. A later import does not add them."`
	IssuerOf      []string `sep:"none" placeholder:"NAME=URL" help:"The issuer of a provider that the file calls NAME; may be given several times. An empty URL leaves its identities out."`
	Role          []string `placeholder:"THEIRS[=OURS]" help:"Take over this role, under the name that users.Config.Roles has for it; may be given several times. Default: no role is taken over."`
	Usernames     bool     `help:"Take over usernames, for a program with users.Config.AllowUsernames."`
	KeepIDs       bool     `name:"keep-ids" help:"Users keep the ids of the other system. From postern they always do."`
	AllUnverified bool     `help:"Read every address as not verified, for a system that did not check them."`
	DryRun        bool     `help:"Check everything and write nothing."`
	Report        string   `placeholder:"FILE" help:"Write what happened to each user to this file, as JSON, one a line."`
	JSON          bool     `name:"json" help:"Print the result as JSON."`
	File          string   `arg:"" help:"The export of the other system; - is standard input."`
}

// Help is shown below the usage line.
func (usersImport) Help() string {
	return `Begin with --dry-run: it gives the same report and writes nothing. An import can be repeated with the same file or a newer one: users who were imported before are not made twice, an import that was interrupted goes on, and users whom you have changed or deleted here stay as they are.

  postern users import --from auth0 --dry-run --report report.ndjson users.ndjson
  postern users import --from firebase --firebase-hash hash-parameters.txt users.json

Addresses are verified if the other system recorded them so. Passwords keep working: they are verified with the hash they have. What is not carried over is counted in the result, and named for each user in the report. If a user is refused or cannot be read, the others are imported and the exit status is 1.`
}

// Run imports users.
func (c usersImport) Run(ctx context.Context, w world) error {
	importer, err := c.importer()
	if err != nil {
		return err
	}
	options, done, err := c.options(w)
	if err != nil {
		return err
	}
	defer done()
	in, closeIn, err := openInput(w, c.File)
	if err != nil {
		return fmt.Errorf("users import: %w", err)
	}
	defer closeIn()
	ours := []string{}
	for _, role := range importer.Roles {
		ours = append(ours, role)
	}
	dir, closeStore, err := c.directory(ctx, w, nil, ours...)
	if err != nil {
		return err
	}
	defer closeStore()
	report, err := newImportReport(c.Report)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	report.stop = cancel
	importer.Each = report.read
	if !c.NoPasswords {
		importer.Password = func(userID, encoded string) store.Change {
			change, err := password.Row(dir.Pool(), userID, encoded)
			if err != nil { // prepared has checked it
				cancel(err)
			}
			return change
		}
	}
	records := c.prepared(importer, foreign.Read(ctx, foreign.Format(c.From), in, options))
	source := c.Source
	if source == "" {
		source = c.From
	}
	total, err := dir.Import(ctx, source, importer.Users(records), users.ImportOptions{DryRun: c.DryRun, Each: report.imported})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if closed := report.close(); err == nil {
		err = closed
	}
	return c.finish(w, report, total, err)
}

// importer returns what the flags say about users.
func (c usersImport) importer() (foreign.Importer, error) {
	i := foreign.Importer{Usernames: c.Usernames, KeepIDs: c.KeepIDs || c.From == string(foreign.Postern), Roles: map[string]string{}}
	for _, role := range c.Role {
		theirs, ours, renamed := strings.Cut(role, "=")
		if !renamed {
			ours = theirs
		}
		if theirs == "" || ours == "" || i.Roles[theirs] != "" {
			return i, usagef("users import --role %s: write THEIRS=OURS, or one name, and each role once", calm(role))
		}
		i.Roles[theirs] = ours
	}
	return i, nil
}

// options returns what the flags say about the file. done closes the second file.
func (c usersImport) options(w world) (o foreign.Options, done func(), err error) {
	o = foreign.Options{AllUnverified: c.AllUnverified, Issuers: map[string]string{}, Now: w.now}
	for _, pair := range c.IssuerOf {
		name, issuer, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return o, nil, usagef("users import --issuer-of %s: write NAME=URL", calm(pair))
		}
		o.Issuers[name] = issuer
	}
	if o.Firebase, err = c.firebase(); err != nil {
		return o, nil, err
	}
	if c.From == string(foreign.Clerk) && !c.NoPasswords {
		if o.Hasher, err = hash.New(hash.Config{}); err != nil {
			return o, nil, err
		}
	}
	if c.Accounts == "" {
		return o, func() {}, nil
	}
	if !slices.Contains([]foreign.Format{foreign.Auth0, foreign.BetterAuth, foreign.Supabase}, foreign.Format(c.From)) {
		return o, nil, usagef("users import --accounts: %s has no second file; auth0, better-auth and supabase have one", c.From)
	}
	file, err := os.Open(c.Accounts)
	if err != nil {
		return o, nil, fmt.Errorf("users import --accounts: %w", err)
	}
	o.Accounts = file
	return o, func() { file.Close() }, nil
}

// firebase returns the hash parameters of a Firebase project. They are never an argument, because other people's
// process lists show those.
func (c usersImport) firebase() (*hash.Firebase, error) {
	text, from := os.Getenv(firebaseHashEnv), firebaseHashEnv
	switch {
	case c.From != string(foreign.Firebase) && c.FirebaseHash != "":
		return nil, usagef("users import --firebase-hash: it is for --from firebase")
	case c.From != string(foreign.Firebase), c.NoPasswords:
		return nil, nil
	case c.FirebaseHash != "":
		from = c.FirebaseHash
		if err := ownersAlone(from, "make it private (chmod 600)"); err != nil {
			return nil, fmt.Errorf("users import --firebase-hash: %w", err)
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("users import --firebase-hash: %w", err)
		}
		text = string(data)
	case text == "":
		return nil, usagef("users import --from firebase: without the hash parameters of the project no password can be verified: "+
			"name the file that has them with --firebase-hash, or set %s, or leave all passwords out with --no-passwords", firebaseHashEnv)
	}
	parameters, err := foreign.ParseFirebaseParameters(text)
	if err != nil {
		return nil, usagef("%s: %s; copy them whole from the Firebase console (Authentication, Users)", from, strings.TrimPrefix(err.Error(), "foreign: "))
	}
	return parameters, nil
}

// openInput opens a file, or standard input for "-".
func openInput(w world, path string) (io.Reader, func(), error) {
	if path == "-" {
		return w.in, func() {}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return file, func() { file.Close() }, nil
}

// prepared adds to the notes of each record what this command leaves out.
func (c usersImport) prepared(i foreign.Importer, records iter.Seq2[foreign.Record, error]) iter.Seq2[foreign.Record, error] {
	return func(yield func(foreign.Record, error) bool) {
		for r, err := range records {
			for n, note := range r.Notes {
				r.Notes[n] = flagsOfOptions.Replace(note)
			}
			note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
			for _, role := range r.Roles {
				if i.Roles[role] == "" {
					note("the role %.64q is not carried over: name it with --role", role)
				}
			}
			if r.Username != "" && !i.Usernames {
				note("the username is not carried over: use --usernames")
			}
			if r.Password != "" && c.NoPasswords {
				note("the password is kept out (--no-passwords)")
				r.Password = ""
			}
			if r.Password != "" {
				if err := hash.Check(r.Password); err != nil {
					note("the password is not carried over: %v", err)
					r.Password = ""
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// flagsOfOptions puts the flags of this command in the place of the options of package foreign.
var flagsOfOptions = strings.NewReplacer("(Options.Firebase)", "(--firebase-hash)", "Options.Issuers", "--issuer-of",
	"Options.Accounts", "--accounts", "Options.MaxAccounts", "are allowed", ": give Options.Hasher for passwords that are not bcrypt or argon2", ": its hash is too fast, and passwords are left out")

// finish prints the result and returns how the command ends.
func (c usersImport) finish(w world, report *importReport, total users.Report, err error) error {
	if printed := report.print(w, c, total); err == nil && printed != nil {
		return printed
	}
	left := total.Refused + report.unread
	switch {
	case errors.Is(err, foreign.ErrFormat):
		return fmt.Errorf("the import stopped: %s is not an export of %s, or is cut off: check --from and the file, and run the same command again: it goes on", calm(c.File), c.From)
	case err != nil:
		return fmt.Errorf("the import stopped: %s. Run the same command again: it goes on", strings.TrimPrefix(flagsOfOptions.Replace(err.Error()), "foreign: "))
	case left > 0:
		return fmt.Errorf("%s not imported: correct the file, or what is in the way here, and run the same command again: the others are skipped", count(int64(left), "user")+verb(left))
	}
	return nil
}

func verb(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}
