package torture

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// A backend is a kind of database that several processes can share.
type backend struct {
	name  string
	slow  int // what numbers of rounds are divided by
	start func(t testing.TB) *place
}

// A place is a database that runs, empty at first.
type place struct {
	spec        string // what open makes a store of, in any process
	folder      string // its files; empty: not for us to see
	kill, start func() error
}

var backends = []backend{
	{"SQLite", 1, func(t testing.TB) *place {
		folder := t.TempDir()
		return &place{spec: "sqlite " + filepath.Join(folder, "auth.db"), folder: folder}
	}},
	{"Postgres", 1, func(t testing.TB) *place {
		p := testserver.PostgresWith(t, testserver.PostgresOptions{Fsync: true})
		return &place{spec: "postgres " + p.DSN(), kill: p.Kill, start: p.Start}
	}},
	{"Redis", 1, func(t testing.TB) *place {
		folder := t.TempDir()
		r, err := testserver.StartRedis(folder, testserver.RedisOptions{Durable: true})
		if err != nil {
			// Says what to install, where nothing is.
			r, folder = testserver.RedisWith(t, testserver.RedisOptions{Durable: true}), ""
		} else {
			t.Cleanup(r.Close)
		}
		return &place{spec: "redis " + r.Addr(), folder: folder, kill: r.Kill, start: r.Start}
	}},
	{"DynamoDB", 50, func(t testing.TB) *place { // moto answers one request at a time, in Python
		url, table := testserver.Moto(t).URL(), "t-"+rand.Text()
		if err := dynamostore.CreateTable(t.Context(), dynamoClient(url), table); err != nil {
			t.Fatal(err)
		}
		return &place{spec: "dynamodb " + url + " " + table}
	}},
}

// open connects to a place as a program does. Several processes may at once.
func open(spec string, now func() time.Time) (store.Store, func() error, error) {
	kind, where, _ := strings.Cut(spec, " ")
	switch kind {
	case "sqlite":
		return openSQL("sqlite", sqlstore.DSN(where), sqlstore.SQLite, now)
	case "postgres":
		return openSQL("pgx", where, sqlstore.Postgres, now)
	case "redis":
		c := redis.NewClient(&redis.Options{Addr: where, ContextTimeoutEnabled: true, PoolSize: 64, DialerRetries: 1})
		s, err := redisstore.New(redisstore.Config{Client: c, Now: now})
		return s, c.Close, err
	case "dynamodb":
		url, table, _ := strings.Cut(where, " ")
		s, err := dynamostore.New(dynamostore.Config{Client: dynamoClient(url), Table: table, RequestTimeout: 30 * time.Second, Now: now})
		return s, func() error { return nil }, err
	}
	return nil, nil, fmt.Errorf("no such place: %q", kind)
}

func openSQL(driver, dsn string, d sqlstore.Dialect, now func() time.Time) (store.Store, func() error, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: d, Now: now})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, func() error { return errors.Join(s.Close(), db.Close()) }, nil
}

func dynamoClient(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}},
	})
}

// each runs f on every backend, started anew.
func each(t *testing.T, f func(t *testing.T, b backend, at *place)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { f(t, b, b.start(t)) })
	}
}

// size is a number of rounds, as POSTERN_TEST_LONG wants it.
func size(t testing.TB, n int) int {
	t.Helper()
	text := os.Getenv("POSTERN_TEST_LONG")
	if text == "" {
		return max(1, n)
	}
	factor, err := strconv.Atoi(text)
	if err != nil || factor < 1 {
		t.Fatalf("POSTERN_TEST_LONG=%q: give a whole number, by which sizes are multiplied", text)
	}
	return max(1, n*factor)
}
