package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	_ "github.com/jackc/pgx/v5/stdlib" // for --store postgres:
	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// storeFlag is a store on the command line.
type storeFlag struct {
	dataFlag
	Store string `placeholder:"URL" env:"POSTERN_STORE" help:"Where sessions are kept: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE. Default: the database of postern dev in the data folder. A password belongs into POSTERN_STORE, which other people's process lists do not show."`
}

// open opens the store, which must be there already: these commands make no tables. done closes it.
func (f storeFlag) open(ctx context.Context, w world) (st store.Store, done func(), err error) {
	url := f.Store
	if url == "" {
		url = "sqlite:" + folder(f.Data).file(databaseFile)
	}
	scheme, rest, ok := strings.Cut(url, ":")
	switch {
	case !ok:
		return nil, nil, usagef("--store %q is no URL: begin it with sqlite:, postgres:, redis:, rediss: or dynamodb:", url)
	case scheme == "sqlite":
		if _, err := os.Stat(rest); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no database %s; name another with --store", rest)
		}
		return openSQL(ctx, w, "sqlite", sqlstore.DSN(rest), sqlstore.SQLite)
	case scheme == "postgres" || scheme == "postgresql":
		return openSQL(ctx, w, "pgx", url, sqlstore.Postgres)
	case scheme == "redis" || scheme == "rediss":
		options, err := redis.ParseURL(url)
		if err != nil {
			return nil, nil, usagef("--store: not a URL of Redis") // the error would repeat the password
		}
		client := redis.NewClient(options)
		st, err := redisstore.New(redisstore.Config{Client: client, Now: w.now})
		return st, func() { client.Close() }, err
	case scheme == "dynamodb" && rest != "":
		c, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("finding AWS credentials: %w", err)
		}
		st, err := dynamostore.New(dynamostore.Config{Client: dynamodb.NewFromConfig(c), Table: rest, Now: w.now})
		return st, func() {}, err
	}
	return nil, nil, usagef("--store: %q is not known: use sqlite:, postgres:, redis:, rediss: or dynamodb:TABLE", scheme)
}

func openSQL(ctx context.Context, w world, driver, dsn string, dialect sqlstore.Dialect) (store.Store, func(), error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, errors.New("--store: the driver does not take this URL") // the error may repeat the password
	}
	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect, Now: w.now, SkipMigrations: true, SkipSweep: true})
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return st, func() { st.Close(); db.Close() }, nil
}
