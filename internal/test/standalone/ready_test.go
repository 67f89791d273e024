package standalone

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store/sqlstore"
)

// notReady waits until a server is not ready, for a reason about its writes, and until mend has made it ready again.
func (s *site) notReady(server *served, want string, mend func()) {
	s.Helper()
	reason := ""
	s.until("not ready", patience, func() bool {
		status, text := get(server.local + "/readyz")
		reason = text
		return status == 503
	})
	if !strings.Contains(reason, want) {
		s.Errorf("the reason is %s", reason)
	}
	if _, text := get(server.local + "/metrics"); !strings.Contains(text, "\npostern_store_up 0\n") {
		s.Error("postern_store_up is not 0")
	}
	mend()
	s.until("ready again", patience, func() bool { status, _ := get(server.local + "/readyz"); return status == 200 })
}

// TestServe_ReadOnlyPostgres: a database that answers reads alone, as a standby does, is not ready.
func TestServe_ReadOnlyPostgres(t *testing.T) {
	dsn := testserver.Postgres(t).DSN()
	s := newSite(t, dsn)
	server := s.start()
	name, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	set := func(value string) {
		t.Helper()
		for _, statement := range []string{
			"SET default_transaction_read_only = off",
			"ALTER DATABASE " + strings.TrimPrefix(name.Path, "/") + " SET default_transaction_read_only = " + value,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
		} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	if status, text := get(server.local + "/readyz"); status != 200 {
		t.Fatalf("ready at first: %d %s", status, text)
	}
	set("on")
	s.notReady(server, "takes no writes", func() { set("off") })
}

// TestServe_SQLiteWithoutWrites: a database whose writes another program holds up is not ready. The answer comes at the
// limit of readiness, before SQLite gives up.
func TestServe_SQLiteWithoutWrites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "postern.db")
	s := newSite(t, "sqlite:"+file)
	server := s.start()
	db, err := sql.Open("sqlite", sqlstore.DSN(file))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	s.notReady(server, "a write takes too long", func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestServe_RedisWithoutWrites: a Redis that refuses writes, as one without its replicas does, is not ready.
func TestServe_RedisWithoutWrites(t *testing.T) {
	at := testserver.Redis(t).Addr()
	s := newSite(t, "redis://"+at)
	s.writeText(strings.Replace(fmt.Sprintf(configuration, "Example"), "migrate = true", "", 1))
	server := s.start()
	client := redis.NewClient(&redis.Options{Addr: at})
	defer client.Close()
	set := func(replicas string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), "min-replicas-to-write", replicas).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	s.notReady(server, "takes no writes", func() { set("0") })
}
