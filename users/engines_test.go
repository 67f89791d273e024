package users_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// An engine is a kind of store. start returns what open makes a store of, in any process of this machine.
type engine struct {
	name  string
	start func(t testing.TB) string
}

var engines = []engine{
	{"Memory", func(testing.TB) string { return "memory" }},
	{"SQLite", func(t testing.TB) string { return "sqlite " + filepath.Join(t.TempDir(), "users.db") }},
	{"Postgres", func(t testing.TB) string {
		p, err := postgresOnce()
		if errors.Is(err, testserver.ErrNoPostgres) {
			testneed.Skip(t, err.Error())
		}
		if err != nil {
			t.Fatal(err)
		}
		return "postgres " + p.DSN()
	}},
	{"Redis", func(t testing.TB) string { return "redis " + testserver.Redis(t).Addr() }},
	{"DynamoDB", func(t testing.TB) string {
		m, err := motoOnce()
		if errors.Is(err, testserver.ErrNoMoto) {
			testneed.Skip(t, err.Error())
		}
		if err != nil {
			t.Fatal(err)
		}
		client, table := dynamoClient(m.URL()), "t-"+rand.Text()
		if err := dynamostore.CreateTable(t.Context(), client, table); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // transactions of moto copy all tables they touch
			if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
				t.Errorf("deleting the table: %v", err)
			}
		})
		return "dynamodb " + m.URL() + " " + table
	}},
}

// The servers of this test binary start when a test needs them, and TestMain closes them.
var (
	folder       string
	closers      []func() error
	postgresOnce = sync.OnceValues(func() (*testserver.PostgresServer, error) {
		p, err := testserver.StartPostgres(folder, testserver.PostgresOptions{})
		if err == nil {
			closers = append(closers, p.Close)
		}
		return p, err
	})
	motoOnce = sync.OnceValues(func() (*testserver.MotoServer, error) {
		m, err := testserver.StartMoto(folder)
		if err == nil {
			closers = append(closers, m.Close)
		}
		return m, err
	})
)

// postgresAnew returns the connection string of a new schema on the shared server.
func postgresAnew(t testing.TB) (string, error) {
	t.Helper()
	p, err := postgresOnce()
	if err != nil {
		return "", err
	}
	db, err := sql.Open("pgx", p.DSN())
	if err != nil {
		return "", err
	}
	defer db.Close()
	schema := "s" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		return "", err
	}
	return p.DSN() + "&search_path=" + schema, nil
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := child(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var err error
	if folder, err = os.MkdirTemp("", "postern-users-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	for _, shut := range closers {
		if err := shut(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(folder) // the servers may leave sockets
	os.Exit(code)
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

// open connects to the store of an engine.
func open(spec string, now func() time.Time) (store.Store, func() error, error) {
	kind, where, _ := strings.Cut(spec, " ")
	switch kind {
	case "memory":
		return &store.Memory{Now: now}, func() error { return nil }, nil
	case "sqlite":
		return openSQL("sqlite", sqlstore.DSN(where), sqlstore.SQLite, now)
	case "postgres":
		return openSQL("pgx", where, sqlstore.Postgres, now)
	case "redis":
		c := redis.NewClient(&redis.Options{Addr: where, ContextTimeoutEnabled: true, PoolSize: 64})
		s, err := redisstore.New(redisstore.Config{Client: c, Now: now})
		return s, c.Close, err
	case "dynamodb":
		url, table, _ := strings.Cut(where, " ")
		s, err := dynamostore.New(dynamostore.Config{Client: dynamoClient(url), Table: table, RequestTimeout: 30 * time.Second, Now: now})
		return s, func() error { return nil }, err
	}
	return nil, nil, fmt.Errorf("no such engine: %q", kind)
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

// each runs f on every engine, in a world without users.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			w := newWorldOn(t, e.start(t))
			f(t, w)
		})
	}
}
