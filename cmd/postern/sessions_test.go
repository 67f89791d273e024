package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// A program uses the store that the commands look into.
const issuerURL = "https://api.example.com/auth"

func program(t *testing.T, st store.Store) (*session.Sessions, *session.Kind[map[string]string]) {
	t.Helper()
	secret, err := keys.NewSecret("s", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.StaticSigner(newKey(t, keys.EdDSA, "k"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(session.Config{
		Issuer: issuerURL, Audience: "api", Keys: signer, Secrets: secrets, Store: st, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, session.NewKind[map[string]string](s, "user")
}

// engines are the stores a command line can name, each with a program's way to it.
func engines(t *testing.T) map[string]func(t *testing.T) (url string, st store.Store) {
	now := func() time.Time { return noon }
	overSQL := func(t *testing.T, driver, dsn string, d sqlstore.Dialect) store.Store {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		st, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: d, Now: now, SkipSweep: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close(); db.Close() })
		return st
	}
	return map[string]func(t *testing.T) (string, store.Store){
		"sqlite": func(t *testing.T) (string, store.Store) {
			path := t.TempDir() + "/a.db"
			return "sqlite:" + path, overSQL(t, "sqlite", sqlstore.DSN(path), sqlstore.SQLite)
		},
		"postgres": func(t *testing.T) (string, store.Store) {
			dsn := testserver.Postgres(t).DSN()
			return dsn, overSQL(t, "pgx", dsn, sqlstore.Postgres)
		},
		"redis": func(t *testing.T) (string, store.Store) {
			addr := testserver.Redis(t).Addr()
			client := redis.NewClient(&redis.Options{Addr: addr})
			t.Cleanup(func() { client.Close() })
			st, err := redisstore.New(redisstore.Config{Client: client, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return "redis://" + addr, st
		},
		"dynamodb": func(t *testing.T) (string, store.Store) {
			url := testserver.Moto(t).URL()
			t.Setenv("AWS_ENDPOINT_URL", url)
			t.Setenv("AWS_REGION", "eu-central-1")
			t.Setenv("AWS_ACCESS_KEY_ID", "test")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
			client := dynamodb.New(dynamodb.Options{
				Region: "eu-central-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			})
			if err := dynamostore.CreateTable(t.Context(), client, "sessions"); err != nil {
				t.Fatal(err)
			}
			st, err := dynamostore.New(dynamostore.Config{Client: client, Table: "sessions", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return "dynamodb:sessions", st
		},
	}
}

func TestSessions(t *testing.T) {
	for name, open := range engines(t) {
		t.Run(name, func(t *testing.T) {
			url, st := open(t)
			s, user := program(t, st)
			create := func(subject, device string) session.Tokens {
				tokens, err := user.Create(t.Context(), session.Grant[map[string]string]{
					Subject: subject, Device: device, Address: "192.0.2.7", Authentication: session.Authentication{Time: noon, Methods: []string{"link"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				return tokens
			}
			one, two, three := create("u1", "Phone\u202e"), create("u1", "Laptop"), create("u2", "")
			out, errs, status := call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", url, "u1")
			if status != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, one.SessionID) || !strings.Contains(out, two.SessionID) ||
				strings.Contains(out, three.SessionID) || !strings.Contains(out, "192.0.2.7") || !strings.Contains(out, "in 7 days") || strings.Contains(out, "\u202e") {
				t.Fatalf("list: %d %s%s", status, out, errs)
			}
			out, errs, status = call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", url, one.SessionID)
			if status != 0 || !strings.Contains(out, one.SessionID+" has ended.") {
				t.Fatalf("revoke: %d %s%s", status, out, errs)
			}
			if _, err := s.Refresh(t.Context(), one.Refresh); session.Reason(err) != "ended" {
				t.Errorf("after revoke: %v", err)
			}
			out, _, status = call(t, "", "sessions", "show", "--issuer", issuerURL, "--store", url, one.SessionID)
			if status != 0 || !strings.Contains(out, "ended: revoked") || !strings.Contains(out, "u1") {
				t.Errorf("show: %d %s", status, out)
			}
			var shown struct {
				ID    string   `json:"id"`
				AMR   []string `json:"amr"`
				Ended string   `json:"ended"`
			}
			out, _, _ = call(t, "", "sessions", "show", "--issuer", issuerURL, "--json", "--store", url, two.SessionID)
			if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.ID != two.SessionID || len(shown.AMR) != 1 || shown.Ended != "" {
				t.Errorf("show --json: %s %v", out, err)
			}
			if out, errs, status = call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", url, "--subject", "u1"); status != 0 || out != "All sessions of u1 (kind user) have ended (1 live session found).\n" {
				t.Fatalf("revoke --subject: %d %s%s", status, out, errs)
			}
			for _, nobody := range []string{"u1", "u3"} {
				out, errs, status = call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", url, "--subject", nobody)
				if status != 1 || out != "" || !strings.Contains(errs, "no live session of "+nobody+" (kind user) was found: check the subject, --kind, and --config or --issuer and --store") {
					t.Errorf("revoke --subject of %s, who has none: %d %s%s", nobody, status, out, errs)
				}
			}
			if _, err := s.Refresh(t.Context(), two.Refresh); session.Reason(err) != "ended" {
				t.Errorf("after revoke --subject: %v", err)
			}
			if _, err := s.Refresh(t.Context(), three.Refresh); err != nil {
				t.Errorf("another's session: %v", err)
			}
			if out, _, status = call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", url, "u1"); status != 0 || !strings.HasPrefix(out, "No live session of u1") {
				t.Errorf("list after: %d %s", status, out)
			}
			if out, _, status = call(t, "", "sessions", "list", "--issuer", issuerURL, "--json", "--store", url, "u2"); status != 0 || strings.Count(out, "\n") != 1 || !json.Valid([]byte(out)) {
				t.Errorf("list --json: %d %s", status, out)
			}
		})
	}
}

func TestSessions_Mistakes(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"sessions list u1", 1, "there is no database"},
		{"sessions list --store sqlite:nowhere.db u1", 1, "there is no database nowhere.db"},
		{"sessions list --store nothing u1", 2, "begin it with sqlite:"},
		{"sessions list --store mysql://a u1", 2, "scheme is not known"},
		{"sessions list --store redis://a:secret@host:port/x u1", 2, "not a URL of Redis"},
		{"sessions list --store redis://a:secret@host:1/x?prefix=a u1", 2, "not a URL of Redis"},
		{"sessions list --store redis://a:secret@host:1?prefx=a u1", 2, "with ?prefix= or options of go-redis"},
		{"sessions list --store redis://a:secret@host:1?prefix= u1", 2, "prefix is redisstore.Config.Prefix"},
		{"sessions list --store redis://a:secret@host:1?prefix=a&prefix=b u1", 2, "give it once"},
		{"sessions list --store redis://a:secret@host:1?prefix={a} u1", 2, "without braces"},
		{"sessions list", 2, "expected"},
		{"sessions show", 2, "expected"},
		{"sessions revoke", 2, "name ids of sessions"},
		{"sessions revoke --subject u1 a.b", 2, "name ids of sessions"},
	} {
		t.Chdir(t.TempDir())
		_, errs, status := call(t, "", strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(errs, c.says) || strings.Contains(errs, "secret") {
			t.Errorf("%s: %d %s", c.args, status, errs)
		}
	}
	path := t.TempDir() + "/a.db"
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	st, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for args, says := range map[string]string{
		"sessions show --issuer https://a --store sqlite:" + path + " nonsense":               "there is no session nonsense of https://a",
		"sessions show --issuer https://a --store sqlite:" + path + " ABCD.EFGH":              "there is no session ABCD.EFGH of https://a",
		"sessions list --store sqlite:" + path + " u1":                                        "--issuer is missing",
		"sessions revoke --issuer https://a --store sqlite:" + path + " nonsense":             "there is no session nonsense",
		"sessions list --issuer https://a --store sqlite:" + path + " --kind Bad u1":          "a name is a lower-case letter",
		"sessions list --issuer https://a --store sqlite:" + path + " --kind a --kind a u1":   "there is a kind",
		"sessions list --issuer https://a --store sqlite:" + path + " --kind user,public u1 ": "public",
	} {
		if _, errs, status := call(t, "", strings.Fields(args)...); status == 0 || !strings.Contains(errs, says) {
			t.Errorf("%s: %d %s", args, status, errs)
		}
	}
}
