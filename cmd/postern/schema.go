package main

import (
	"fmt"

	"github.com/posternauth/postern/store/sqlstore"
)

type schemaCommand struct {
	Dialect string `default:"postgres" enum:"postgres,sqlite" placeholder:"NAME" help:"The kind of database: postgres or sqlite. Default: postgres."`
	From    int    `default:"0" placeholder:"VERSION" help:"The version of the tables that are there, which SELECT version FROM postern_schema returns. Default: 0, a database without them."`
}

// Help is shown below the usage line.
func (schemaCommand) Help() string {
	return `A program makes and upgrades its tables by itself (sqlstore.Open). This is for those that set SkipMigrations, because they may not. Run it all in one transaction, before the programs that need it start:

  postern schema > schema.sql
  psql -1 -v ON_ERROR_STOP=1 -f schema.sql "$DATABASE_URL"

  postern schema --dialect sqlite > schema.sql
  sqlite3 -bail app.db "BEGIN IMMEDIATE" ".read schema.sql" "COMMIT"

On tables of another version it fails, and the transaction changes nothing.`
}

// Run prints the statements.
func (c schemaCommand) Run(w world) error {
	statements, err := sqlstore.Upgrade(sqlstore.Dialect(c.Dialect), c.From)
	if err != nil {
		return usagef("schema --from: %v", err)
	}
	if statements == "" {
		statements = fmt.Sprintf("-- Version %d is the newest: there is nothing to run.\n", c.From)
	}
	_, err = fmt.Fprint(w.out, statements)
	return err
}
