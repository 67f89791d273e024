package keys_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// engines are the databases a StoreVault is tested over. Each function starts one and returns its place, for
// openEngine.
var engines = map[string]func(t *testing.T) string{
	"sqlite":   func(t *testing.T) string { return "sqlite " + filepath.Join(t.TempDir(), "auth.db") },
	"postgres": func(t *testing.T) string { return "pgx " + testserver.Postgres(t).DSN() },
	"redis":    func(t *testing.T) string { return "redis " + testserver.Redis(t).Addr() },
	"dynamodb": func(t *testing.T) string {
		url := testserver.Moto(t).URL()
		if err := dynamostore.CreateTable(t.Context(), dynamoClient(url), "auth"); err != nil {
			t.Fatal(err)
		}
		return "dynamodb " + url
	},
}

// openEngine opens the store at a place, as a process does.
func openEngine(ctx context.Context, place string) (st store.Store, done func(), err error) {
	kind, at, _ := strings.Cut(place, " ")
	switch kind {
	case "redis":
		client := redis.NewClient(&redis.Options{Addr: at})
		st, err = redisstore.New(redisstore.Config{Client: client})
		return st, func() { client.Close() }, err
	case "dynamodb":
		st, err = dynamostore.New(dynamostore.Config{Client: dynamoClient(at), Table: "auth", RequestTimeout: 30 * time.Second})
		return st, func() {}, err
	}
	dialect := sqlstore.Postgres
	if kind == "sqlite" {
		at, dialect = sqlstore.DSN(at), sqlstore.SQLite
	}
	db, err := sql.Open(kind, at)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect, SkipSweep: true})
	if err != nil {
		return nil, nil, cmp.Or(db.Close(), err)
	}
	return s, func() { s.Close(); db.Close() }, nil
}

func dynamoClient(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

// TestStoreVault_Engines: a StoreVault keeps the contract over every engine, through two connections as two processes
// have them. The item of a ring never expires.
func TestStoreVault_Engines(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			place, n := start(t), 0
			open := func(t *testing.T) store.Store {
				st, done, err := openEngine(t.Context(), place)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(done)
				return st
			}
			one, other := open(t), open(t)
			vaulttest.RunPair(t, func(*testing.T) (keys.Vault, keys.Vault) {
				n++
				name := fmt.Sprint("ring ", n)
				return keys.StoreVault{Store: one, Sealer: keys.MasterKey(vaultKey), Name: name}, keys.StoreVault{Store: other, Sealer: keys.MasterKey(vaultKey), Name: name}
			})
			items, err := one.Get(t.Context(), store.Key{Part: fmt.Sprint("keys:ring ", n), ID: "ring"})
			if err != nil || len(items) != 1 || !items[0].Expires.IsZero() {
				t.Errorf("the item of the last ring: %d items, %v", len(items), err)
			}
		})
	}
}
