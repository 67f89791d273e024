package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// An engine is a database with a store of Postern's in it, and one of scs's.
type engine struct {
	name  string
	store store.Store
	db    *sql.DB                                       // of store; nil: another kind of store
	peer  scs.Store                                     // nil: scs has none
	plain func(ctx context.Context, key string) error   // nil: not measured; one row by the driver alone
	raw   func(ctx context.Context, token string) error // nil: not measured; a session of scs read by the driver alone, and not decoded
	close func()

	// server is the CPU time of the database's processes so far; nil: it runs in this process, or is not measured.
	server func() (time.Duration, error)
	remote bool // the database is another process

	written [8][crowd / 8]store.Item // what one write after the other goes to, by worker
}

// engines start a database in a new folder.
var engines = map[string]func(dir string) (*engine, error){
	"memory":   inMemory,
	"sqlite":   onSQLite,
	"postgres": onPostgres,
	"redis":    onRedis,
	"dynamodb": onDynamoDB,
}

func inMemory(string) (*engine, error) {
	return &engine{name: "memory", store: new(store.Memory), peer: memstore.NewWithCleanupInterval(0), close: func() {}}, nil
}

// onSQLite gives both the same file, driver and settings: WAL, and every commit on the disk (synchronous=FULL).
func onSQLite(dir string) (*engine, error) {
	db, err := sql.Open("sqlite", sqlstore.DSN(dir+"/a.db"))
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(16)
	st, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipSweep: true})
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
		CREATE TABLE plain (token TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID`)
	if err != nil {
		return nil, err
	}
	put, err := db.Prepare("INSERT INTO plain (token, data) VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data")
	if err != nil {
		return nil, err
	}
	find, err := db.Prepare("SELECT data FROM sessions WHERE token = ?")
	if err != nil {
		return nil, err
	}
	plain := func(ctx context.Context, key string) error {
		data := make([]byte, 600)
		rand.Read(data[:16]) // SQLite writes nothing for a row that stays as it is
		_, err := put.ExecContext(ctx, key, data)
		return err
	}
	return &engine{
		name: "sqlite", store: st, db: db, peer: sqlite3store.NewWithCleanupInterval(db, 0), plain: plain,
		raw: func(ctx context.Context, token string) error {
			var data []byte
			return find.QueryRowContext(ctx, token).Scan(&data)
		},
		close: func() { st.Close(); db.Close() },
	}, nil
}

func onPostgres(dir string) (*engine, error) {
	server, err := testserver.StartPostgres(dir, testserver.PostgresOptions{})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", server.DSN())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	st, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: sqlstore.Postgres, SkipSweep: true})
	if err != nil {
		return nil, err
	}
	settings, err := pgxpool.ParseConfig(server.DSN())
	if err != nil {
		return nil, err
	}
	settings.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(context.Background(), "CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)")
	if err != nil {
		return nil, err
	}
	return &engine{
		name: "postgres", store: st, db: db, peer: pgxstore.NewWithCleanupInterval(pool, 0), remote: true, server: server.CPU,
		raw: func(ctx context.Context, token string) error {
			var data []byte
			return pool.QueryRow(ctx, "SELECT data FROM sessions WHERE token = $1", token).Scan(&data)
		},
		close: func() { pool.Close(); st.Close(); db.Close(); server.Close() },
	}, nil
}

func onRedis(dir string) (*engine, error) {
	server, err := testserver.StartRedis(dir, testserver.RedisOptions{})
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	st, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		return nil, err
	}
	return &engine{
		name: "redis", store: st, remote: true, peer: goredisstore.New(client),
		raw: func(ctx context.Context, token string) error {
			_, err := client.Get(ctx, "scs:session:"+token).Bytes()
			return err
		},
		close: func() { client.Close(); server.Close() },
	}, nil
}

// onDynamoDB is a simulation of it: its speed says nothing, the number of requests does.
func onDynamoDB(dir string) (*engine, error) {
	server, err := testserver.StartMoto(dir)
	if err != nil {
		return nil, err
	}
	client := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	if err := dynamostore.CreateTable(context.Background(), client, "sessions"); err != nil {
		return nil, fmt.Errorf("making a table: %w", err)
	}
	st, err := dynamostore.New(dynamostore.Config{Client: client, Table: "sessions"})
	if err != nil {
		return nil, err
	}
	return &engine{name: "dynamodb (moto)", store: st, remote: true, close: func() { server.Close() }}, nil
}
