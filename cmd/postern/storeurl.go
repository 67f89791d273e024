package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	_ "github.com/jackc/pgx/v5/stdlib" // for --store postgres:
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
	Store string `placeholder:"URL" env:"POSTERN_STORE" help:"Where sessions are kept: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE. A program that sets redisstore.Config.Prefix is found by redis://...?prefix=PREFIX. Default: the database of postern dev in the data folder. A password belongs into POSTERN_STORE, which other people's process lists do not show."`
}

// open opens the store, which must be there already: these commands make no tables. done closes it.
func (f storeFlag) open(ctx context.Context, w world) (st store.Store, done func(), err error) {
	where := f.Store
	if where == "" {
		where = "sqlite:" + folder(f.Data).file(databaseFile)
	}
	scheme, rest, ok := strings.Cut(where, ":")
	switch {
	case !ok:
		return nil, nil, usagef("--store %q is no URL: begin it with sqlite:, postgres:, redis:, rediss: or dynamodb:", where)
	case scheme == "sqlite":
		if _, err := os.Stat(rest); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no database %s; name another with --store", rest)
		}
		// The journal mode is a property of the file, and asking for one writes into a file that may not be Postern's.
		return openSQL(ctx, w, "sqlite", strings.Replace(sqlstore.DSN(rest), "&_pragma=journal_mode(WAL)", "", 1), sqlstore.SQLite)
	case scheme == "postgres" || scheme == "postgresql":
		return openSQL(ctx, w, "pgx", where, sqlstore.Postgres)
	case scheme == "redis" || scheme == "rediss":
		return openRedis(w, where)
	case scheme == "dynamodb" && rest != "":
		c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
		if err != nil {
			return nil, nil, fmt.Errorf("finding AWS credentials: %w", err)
		}
		st, err := dynamostore.New(dynamostore.Config{Client: dynamodb.NewFromConfig(c), Table: rest, Now: w.now})
		return st, func() {}, err
	}
	return nil, nil, usagef("--store: %q is not known: use sqlite:, postgres:, redis:, rediss: or dynamodb:TABLE", scheme)
}

// openRedis opens the store at a URL of go-redis, which may have the parameter prefix besides.
func openRedis(w world, where string) (store.Store, func(), error) {
	// No error of url or redis is passed on: they repeat the password.
	const noURL = "--store: not a URL of Redis: want redis://USER:PASSWORD@HOST:PORT/DATABASE, with ?prefix= or options of go-redis behind it"
	u, err := url.Parse(where)
	if err != nil {
		return nil, nil, usagef(noURL)
	}
	parameters := u.Query()
	prefix, given := parameters["prefix"]
	if given && (len(prefix) != 1 || prefix[0] == "" || strings.ContainsAny(prefix[0], "{}")) {
		return nil, nil, usagef("--store: prefix is redisstore.Config.Prefix of the program: give it once, not empty and without braces, or leave it out")
	}
	parameters.Del("prefix")
	u.RawQuery = parameters.Encode()
	options, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, nil, usagef(noURL)
	}
	options.ContextTimeoutEnabled = true // or Ctrl-C waits for a server that hangs
	redislog.Disable()                   // what goes wrong is in the errors
	client := redis.NewClient(options)
	st, err := redisstore.New(redisstore.Config{Client: client, Prefix: strings.Join(prefix, ""), Now: w.now})
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return st, func() { client.Close() }, nil
}

func openSQL(ctx context.Context, w world, driver, dsn string, dialect sqlstore.Dialect) (store.Store, func(), error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, errors.New("--store: the driver does not take this URL") // the error may repeat the password
	}
	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect, Now: w.now, SkipMigrations: true, SkipSweep: true})
	if err != nil {
		db.Close()
		if errors.Is(err, sqlstore.ErrNoTables) {
			err = errors.New("this database has no tables of Postern: name the one your program uses with --store")
		}
		return nil, nil, err
	}
	return st, func() { st.Close(); db.Close() }, nil
}
