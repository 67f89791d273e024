package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/sqlstore"
)

type migrateCommand struct {
	storeFlag
	DryRun bool   `help:"Print the statements that would run, and change nothing."`
	JSON   bool   `name:"json" help:"Print JSON."`
	Print  string `placeholder:"DIALECT" enum:",postgres,sqlite" default:"" help:"Print the statements for a database that is not asked: postgres or sqlite."`
	From   int    `default:"0" placeholder:"VERSION" help:"With --print, the version of the tables that are there, which SELECT version FROM postern_schema returns. Default: 0, a database without them."`
}

// Help is shown below the usage line.
func (migrateCommand) Help() string {
	return `Makes or upgrades the tables of a SQL store, in one transaction. Of several that run at once, one does it and the others wait. Programs of the version before go on during and after it, unless the notes of the release say otherwise.

A program that uses sqlstore.Open may do this by itself. Run this command where the user of the program may not change tables, with the URL of a user who may:

  POSTERN_STORE="$MIGRATION_URL" postern migrate --dry-run
  POSTERN_STORE="$MIGRATION_URL" postern migrate

For postern serve, --config postern.toml names the database. Run it with the secret of the database set to the URL of a user who may change tables.

Where another tool runs SQL, give it the statements. Run them in one transaction; on tables of another version they fail and change nothing:

  postern migrate --print postgres > schema.sql
  psql -1 -v ON_ERROR_STOP=1 -f schema.sql "$MIGRATION_URL"

Redis has no tables. The table of DynamoDB is made by infrastructure tools: this command checks it and changes nothing.`
}

// A migration is what the command prints with --json.
type migration struct {
	Store      string   `json:"store"`
	From       int      `json:"from"`
	To         int      `json:"to"`
	DryRun     bool     `json:"dry_run"`
	Statements string   `json:"statements,omitempty"` // with --dry-run
	Problems   []string `json:"problems,omitempty"`   // of a table that infrastructure tools make
}

// Run shows or runs the steps from the tables that are there to the newest.
func (c migrateCommand) Run(ctx context.Context, w world) error {
	if c.Print != "" {
		return c.print(w)
	}
	if c.From != 0 {
		return usagef("--from goes with --print; without it the database is asked for its version")
	}
	at, err := c.place(ctx, w)
	if err != nil {
		return err
	}
	if err := checkStoreURL(at.flag, at.url); err != nil {
		return err
	}
	scheme, rest, _ := strings.Cut(at.url, ":")
	switch scheme {
	case "redis", "rediss":
		return c.report(w, migration{Store: "redis", DryRun: c.DryRun}, "Redis has no tables: there is nothing to do.")
	case "dynamodb":
		return c.checkTable(ctx, w, rest)
	case "sqlite":
		return c.sqlite(ctx, w, at.flag, rest)
	}
	config, err := postgresConfig(at.flag, at.url)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	return c.migrate(ctx, w, sqlstore.Config{DB: db, Dialect: sqlstore.Postgres, Now: w.now})
}

// sqlite migrates a file. It makes the file if there is none, for its owner alone, as it will hold sessions.
func (c migrateCommand) sqlite(ctx context.Context, w world, flag, path string) error {
	if path == "" {
		return usagef("%s: want sqlite:FILE", flag)
	}
	_, err := os.Stat(path)
	if missing := errors.Is(err, fs.ErrNotExist); missing && c.DryRun {
		return c.pending(w, sqlstore.SQLite, sqlstore.Tables{Newest: newestTables()})
	} else if missing {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("%s: making the database: %w", flag, err)
		}
		file.Close() // nothing was written
	}
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		return fmt.Errorf("%s: opening %s: %w", flag, path, err)
	}
	defer db.Close()
	return c.migrate(ctx, w, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: w.now})
}

// newestTables is the version that sqlstore makes: the last one from which there is an upgrade.
func newestTables() int {
	newest := 0
	for {
		if _, err := sqlstore.Upgrade(sqlstore.SQLite, newest+1); err != nil {
			return newest
		}
		newest++
	}
}

// migrate runs the steps, or prints them.
func (c migrateCommand) migrate(ctx context.Context, w world, to sqlstore.Config) error {
	found, err := sqlstore.Inspect(ctx, to)
	if err != nil {
		return err
	}
	if found.Version > found.Newest {
		if err := found.Fit(); err != nil {
			return err
		}
		m := migration{Store: string(to.Dialect), From: found.Version, To: found.Version, DryRun: c.DryRun}
		return c.report(w, m, fmt.Sprintf("The tables are of version %d, newer than this Postern, which works with them: there is nothing to do.", found.Version))
	}
	if c.DryRun {
		return c.pending(w, to.Dialect, found)
	}
	from, err := sqlstore.Migrate(ctx, to)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("The tables are of version %d now; they were of version %d.", found.Newest, from)
	switch from {
	case 0:
		text = fmt.Sprintf("The tables are made, of version %d.", found.Newest)
	case found.Newest:
		text = fmt.Sprintf("The tables are of version %d, the newest: there was nothing to do.", from)
	}
	return c.report(w, migration{Store: string(to.Dialect), From: from, To: found.Newest}, text)
}

// pending prints the statements that would run.
func (c migrateCommand) pending(w world, dialect sqlstore.Dialect, found sqlstore.Tables) error {
	statements, err := sqlstore.Upgrade(dialect, found.Version)
	if err != nil {
		return err
	}
	text := statements
	if text == "" {
		text = fmt.Sprintf("-- Version %d is the newest: there is nothing to run.", found.Version)
	}
	m := migration{Store: string(dialect), From: found.Version, To: found.Newest, DryRun: true, Statements: statements}
	return c.report(w, m, strings.TrimSuffix(text, "\n"))
}

// print prints the statements without a database.
func (c migrateCommand) print(w world) error {
	if c.Store != "" || c.Config != "" {
		return usagef("--print asks no database: leave out --store (and POSTERN_STORE) and --config, or give --dry-run in place of --print")
	}
	if _, err := sqlstore.Upgrade(sqlstore.Dialect(c.Print), c.From); err != nil {
		return usagef("migrate --from: %v", err)
	}
	return c.pending(w, sqlstore.Dialect(c.Print), sqlstore.Tables{Version: c.From, Newest: newestTables()})
}

// checkTable checks a table of DynamoDB.
func (c migrateCommand) checkTable(ctx context.Context, w world, table string) error {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return fmt.Errorf("finding AWS credentials: %w", err)
	}
	found, err := dynamostore.Check(ctx, dynamodb.NewFromConfig(loaded), table)
	if err != nil {
		return err
	}
	m := migration{Store: "dynamodb", DryRun: c.DryRun, Problems: found.Problems()}
	text := "The table is as it should be: there is nothing to do."
	if len(m.Problems) > 0 {
		text = strings.Join(m.Problems, "\n")
	}
	if err := c.report(w, m, text); err != nil {
		return err
	}
	if found.Unusable() != "" {
		return errInvalid
	}
	return nil
}

func (c migrateCommand) report(w world, m migration, text string) error {
	if c.JSON {
		return json.NewEncoder(w.out).Encode(m)
	}
	_, err := fmt.Fprintln(w.out, text)
	return err
}
