package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	redislog "github.com/redis/go-redis/v9/logging"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// storeFlag is a store on the command line.
type storeFlag struct {
	dataFlag
	Store  string `placeholder:"URL" env:"POSTERN_STORE" help:"Where sessions and users are kept: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE. A program that sets redisstore.Config.Prefix is found by redis://...?prefix=PREFIX. Default: the database of postern dev in the data folder. A password belongs into POSTERN_STORE, which other people's process lists do not show."`
	Config string `placeholder:"FILE" help:"A configuration of postern serve, in place of --store: it names the database, the issuer and the roles. Run this with the secrets of the server."`
}

// openStore opens the store at a URL, which must be there already: these commands make no tables. Errors name the flag
// that the URL comes from. done closes the store.
func openStore(ctx context.Context, w world, flag, where string) (st store.Store, done func(), err error) {
	if err := checkStoreURL(flag, where); err != nil {
		return nil, nil, err
	}
	scheme, rest, _ := strings.Cut(where, ":")
	switch {
	case scheme == "sqlite":
		if _, err := os.Stat(rest); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no database %s; name another with %s", rest, flag)
		}
		// The journal mode is a property of the file, and asking for one writes into a file that may not be Postern's.
		db, err := sql.Open("sqlite", strings.Replace(sqlstore.DSN(rest), "&_pragma=journal_mode(WAL)", "", 1))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: opening %s: %w", flag, rest, err)
		}
		return openSQL(ctx, w, flag, db, sqlstore.SQLite)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, w, flag, where)
	case scheme == "redis" || scheme == "rediss":
		return openRedis(w, flag, where)
	default: // dynamodb
		c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
		if err != nil {
			return nil, nil, fmt.Errorf("finding AWS credentials: %w", err)
		}
		st, err := dynamostore.New(dynamostore.Config{Client: dynamodb.NewFromConfig(c), Table: rest, Now: w.now})
		return st, func() {}, err
	}
}

// checkStoreURL refuses a URL that names no store. The error has no piece of it: it may have a password.
func checkStoreURL(flag, where string) error {
	scheme, rest, ok := strings.Cut(where, ":")
	switch {
	case !ok:
		return usagef("%s is not a URL: begin it with sqlite:, postgres:, redis:, rediss: or dynamodb:", flag)
	case !slices.Contains([]string{"sqlite", "postgres", "postgresql", "redis", "rediss", "dynamodb"}, scheme), scheme == "dynamodb" && rest == "":
		return usagef("%s: its scheme is not known: use sqlite:, postgres:, redis:, rediss: or dynamodb:TABLE", flag)
	}
	return nil
}

// openRedis opens the store at a URL of go-redis, which may have the parameter prefix besides.
func openRedis(w world, flag, where string) (store.Store, func(), error) {
	options, prefix, err := redisOptions(flag, where)
	if err != nil {
		return nil, nil, err
	}
	redislog.Disable() // what goes wrong is in the errors
	client := redis.NewClient(options)
	st, err := redisstore.New(redisstore.Config{Client: client, Prefix: prefix, Now: w.now})
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return st, func() { client.Close() }, nil
}

// redisOptions reads a URL of Redis.
func redisOptions(flag, where string) (*redis.Options, string, error) {
	// No error of url or redis is passed on: they repeat the password.
	const noURL = "%s: not a URL of Redis: want redis://USER:PASSWORD@HOST:PORT/DATABASE, with ?prefix= or options of go-redis behind it"
	u, err := url.Parse(where)
	if err != nil {
		return nil, "", usagef(noURL, flag)
	}
	parameters := u.Query()
	prefix, given := parameters["prefix"]
	if given && (len(prefix) != 1 || prefix[0] == "" || strings.ContainsAny(prefix[0], "{}")) {
		return nil, "", usagef("%s: prefix is redisstore.Config.Prefix of the program: give it once, not empty and without braces, or leave it out", flag)
	}
	parameters.Del("prefix")
	u.RawQuery = parameters.Encode()
	options, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, "", usagef(noURL, flag)
	}
	options.ContextTimeoutEnabled = true // or Ctrl-C waits for a server that hangs
	return options, strings.Join(prefix, ""), nil
}

// openPostgres opens the store at a URL of Postgres.
func openPostgres(ctx context.Context, w world, flag, where string) (store.Store, func(), error) {
	c, err := postgresConfig(flag, where)
	if err != nil {
		return nil, nil, err
	}
	return openSQL(ctx, w, flag, stdlib.OpenDB(*c), sqlstore.Postgres)
}

// postgresConfig reads a URL of Postgres. One that is not understood is refused without a piece of it: the errors of
// url and pgx hide only what they take for the password, and that may be half of it.
func postgresConfig(flag, where string) (*pgx.ConnConfig, error) {
	const noURL = "%s: not a URL of Postgres: want postgres://USER:PASSWORD@HOST:PORT/DATABASE; in the password, write @ as %%40, / as %%2F and %% as %%25"
	u, err := url.Parse(where)
	// A password with / ? or # in front, or behind digits alone, makes the user the host, and its rest a path.
	split := err == nil && u.User == nil && strings.ContainsRune(where, '@')
	if err != nil || split || u.Opaque != "" || strings.Contains(u.Host, "@") || strings.Count(where, "@") > 1 {
		return nil, usagef(noURL, flag)
	}
	c, err := pgx.ParseConfig(where)
	if err != nil {
		return nil, usagef(noURL, flag)
	}
	return c, nil
}

func openSQL(ctx context.Context, w world, flag string, db *sql.DB, dialect sqlstore.Dialect) (store.Store, func(), error) {
	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect, Now: w.now, SkipMigrations: true, SkipSweep: true})
	if err != nil {
		db.Close()
		if errors.Is(err, sqlstore.ErrNoTables) {
			err = fmt.Errorf("this database has no tables of Postern: name the one your program uses with %s, or make them: postern migrate --store URL", flag)
		}
		return nil, nil, err
	}
	return st, func() { st.Close(); db.Close() }, nil
}
