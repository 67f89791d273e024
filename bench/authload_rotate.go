package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/users"
)

const (
	// rotations is how many sessions there are to rotate: more than two turns need, as long as each rests between.
	rotations = 60_000
	// apiece is how many of them one person has.
	apiece = 50
	// rested is how old a refresh token must be so that `postern serve` trades it for the next one. A younger one is
	// answered with the same refresh token, and without a write.
	rested = 31 * time.Second
)

// tokenQueue has refresh tokens, the oldest first.
type tokenQueue struct {
	mu     sync.Mutex
	tokens []agedToken
}

type agedToken struct {
	text string
	made time.Time
}

func (q *tokenQueue) take() (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tokens) == 0 || time.Since(q.tokens[0].made) < rested {
		return "", fmt.Errorf("none of the %d sessions that wait is older than %v: make the turns shorter", len(q.tokens), rested)
	}
	first := q.tokens[0]
	q.tokens = q.tokens[1:]
	return first.text, nil
}

func (q *tokenQueue) put(text string, made time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tokens = append(q.tokens, agedToken{text, made})
}

// fill makes n sessions in the database of a server, with its keys: as old as they have to be.
func (q *tokenQueue) fill(ctx context.Context, n int, file, issuer string, seal []byte) error {
	db, err := sql.Open("sqlite", sqlstore.DSN(file))
	if err != nil {
		return err
	}
	defer db.Close()
	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipMigrations: true})
	if err != nil {
		return err
	}
	defer st.Close()
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: keys.StoreVault{Store: st, Sealer: keys.MasterKey(seal), Name: "main"}})
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Now().Add(-time.Minute) }
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: ring, Secrets: ring, Store: st, Now: now})
	if err != nil {
		return err
	}
	people, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		return err
	}
	kind := postern.NewKind(sessions, people, session.KindConfig[struct{}]{Name: "user"}, func(postern.Person) struct{} { return struct{}{} })
	one := func(person int) error {
		mail := postern.Identity{Provider: "mail", Issuer: issuer, Subject: fmt.Sprintf("load%d@example.com", person)}
		id, err := people.Create(ctx, postern.SignUp{ID: rand.Text(), Identity: mail, Time: now()})
		for range apiece {
			if err != nil {
				break
			}
			var t session.Tokens
			t, err = kind.Create(ctx, session.Grant[struct{}]{Subject: id})
			q.put(t.Refresh, now())
		}
		return err
	}
	var wg sync.WaitGroup
	const workers = 8
	failed := make(chan error, workers)
	for worker := range workers {
		wg.Go(func() {
			for person := worker; person*apiece < n; person += workers {
				if err := one(person); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}
