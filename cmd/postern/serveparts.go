package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/awsvault"
	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
	"github.com/posternauth/postern/sesmail"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// serveParts are the engines and services of this command.
func serveParts(w world, c server.Config, t serving.Tools, sinks *auditSinks) server.Parts {
	return server.Parts{
		LookupEnv: os.LookupEnv, ReadFile: readRegular, Now: w.now, Logger: t.Logger, OnEvent: t.Event,
		Memory: &sinks.memory, Offline: offlineRules(),
		OpenStore: func(ctx context.Context, url string) (store.Store, func(), error) {
			return openServed(ctx, w, url, c.Store.Migrate)
		},
		OpenVault: func(ctx context.Context, v server.VaultRequest) (keys.Vault, error) {
			return awsvault.Open(ctx, awsvault.Request{URL: v.URL, Ring: v.Ring, Store: v.Store, Key: v.Key, KMS: v.KMS, AWS: loadAWS})
		},
		OpenSigner: func(ctx context.Context, s server.SignerRequest) (keys.Signer, error) {
			c := kmskeys.SignerConfig{Report: s.Report, Now: s.Now}
			for _, k := range s.Keys {
				c.Keys = append(c.Keys, kmskeys.Key(k))
			}
			return awsvault.OpenSigner(ctx, c, loadAWS)
		},
		OpenSecrets: openSource,
		OpenMail:    openSES,
		OpenAudit: func(_ context.Context, a server.AuditRequest) (func(context.Context, session.Event), func() error, error) {
			return sinks.open(a, t.Logger, w.now)
		},
	}
}

const (
	// connections bounds those of one process to the database: Postgres has 100 unless it is configured, and two
	// processes serve during a new start.
	connections = 40
	// fileConnections is how many of one process use a SQLite file at once. Reads of a file in memory take nothing but
	// the processor, so more of them do not make reads faster. All are kept: to open one takes longer than ten reads,
	// and the one that was used last is taken first, so that few of them have memory.
	fileConnections = 16
	// connectionLife lets a pool follow a database that moved.
	connectionLife = 30 * time.Minute
)

// openServed opens the store of a server. Unlike the commands that look into a store, it sweeps expired rows, and makes
// or upgrades the tables if migrate is set.
func openServed(ctx context.Context, w world, where string, migrate bool) (store.Store, func(), error) {
	const flag = "[store] url"
	if err := checkStoreURL(flag, where); err != nil {
		return nil, nil, err
	}
	scheme, rest, _ := strings.Cut(where, ":")
	c := sqlstore.Config{Now: w.now, SkipMigrations: !migrate}
	switch scheme {
	case "sqlite":
		if err := sqliteFile(rest, migrate); err != nil {
			return nil, nil, err
		}
		db, err := sql.Open("sqlite", sqlstore.DSN(rest))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: opening %s: %w", flag, rest, err)
		}
		c.DB, c.Dialect = db, sqlstore.SQLite
		c.DB.SetMaxOpenConns(fileConnections)
		c.DB.SetMaxIdleConns(fileConnections)
	case "postgres", "postgresql":
		parsed, err := postgresConfig(flag, where)
		if err != nil {
			return nil, nil, err
		}
		c.DB, c.Dialect = stdlib.OpenDB(*parsed), sqlstore.Postgres
		c.DB.SetMaxOpenConns(connections)
		c.DB.SetMaxIdleConns(connections / 2)
		c.DB.SetConnMaxLifetime(connectionLife)
	default:
		return openStore(ctx, w, flag, where)
	}
	st, err := sqlstore.Open(ctx, c)
	if err != nil {
		c.DB.Close()
		if errors.Is(err, sqlstore.ErrNoTables) {
			err = errors.New("this database has no tables of Postern: make them with postern migrate --config FILE, or set migrate = true in [store]")
		}
		return nil, nil, err
	}
	return st, func() { st.Close(); c.DB.Close() }, nil
}

// sqliteFile makes the file of a database for its owner alone, because SQLite would let others read it.
func sqliteFile(path string, create bool) error {
	if path == "" {
		return usagef("[store] url: want sqlite:FILE")
	}
	if !create {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database %s: make it with postern migrate --store sqlite:%[1]s, or set migrate = true in [store]", path)
		}
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("[store] url: %w", err)
	}
	return file.Close()
}

// openSource opens a source of secrets.
func openSource(ctx context.Context, s server.SourceRequest) (secrets.Source, error) {
	if folderName, ok := strings.CutPrefix(s.Name, "sealed:"); ok {
		return secretsFlags{dataFlag: dataFlag{Data: folderName}}.editor(ctx, false)
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	switch s.Name {
	case "ssm":
		return ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(loaded), Prefix: s.Prefix, Plain: s.Plain})
	case "secretsmanager":
		return smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(loaded), Prefix: s.Prefix, Plain: s.Plain})
	}
	return nil, nil
}

// openSES opens the sender of Amazon SES.
func openSES(ctx context.Context, m server.Mail) (func(context.Context, postern.Mail) error, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	sender, err := sesmail.New(sesmail.Config{
		Client: sesv2.NewFromConfig(loaded), From: m.From, ConfigurationSet: m.ConfigurationSet, Timeout: m.Timeout,
	})
	if err != nil {
		return nil, err
	}
	return sender.Send, nil
}
