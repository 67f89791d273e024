package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// crowd is how many sessions there are to choose from.
const crowd = 1000

type person struct {
	UserID   string `json:"userID"`
	TenantID string `json:"tenantID"`
}

// clock moves on with each refresh, so that every one of them is a rotation.
type clock struct{ moved atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.moved.Load())) }

// people returns a way to make sessions in the store of an engine, and what they are to know.
func (e *engine) people(alg string, now func() time.Time) (*session.Sessions, *session.Kind[person], func(n int) session.Grant[person], error) {
	open, err := e.opener(alg)
	if err != nil {
		return nil, nil, nil, err
	}
	s, user, err := open(now)
	return s, user, personGrant, err
}

// opener returns a function that opens sessions with one key, in the store of an engine.
func (e *engine) opener(alg string) (func(now func() time.Time) (*session.Sessions, *session.Kind[person], error), error) {
	key, err := keys.Generate(keys.Algorithm(alg))
	if err != nil {
		return nil, err
	}
	signer, err := keys.StaticSigner(key)
	if err != nil {
		return nil, err
	}
	secret, err := keys.NewSecret("s1", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return nil, err
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		return nil, err
	}
	return func(now func() time.Time) (*session.Sessions, *session.Kind[person], error) {
		s, err := session.New(session.Config{
			Issuer: "https://api.example.com/auth", Audience: "api", Keys: signer, Secrets: secrets, Store: e.store, Now: now,
		})
		if err != nil {
			return nil, nil, err
		}
		return s, session.NewKindConfig(s, session.KindConfig[person]{Name: "user", Access: 24 * time.Hour, Idle: 90 * 24 * time.Hour, Absolute: 400 * 24 * time.Hour, Cache: 4 * crowd}), nil
	}, nil
}

func personGrant(n int) session.Grant[person] {
	return session.Grant[person]{
		Subject: fmt.Sprint("u", n), Properties: person{fmt.Sprint("u", n), "acme"}, Roles: []string{"admin", "editor", "viewer"},
		Device: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "192.0.2.7",
	}
}

// tasks sets up sessions of Postern and of scs that know the same.
func (e *engine) tasks(alg string) ([]task, error) {
	// Two clocks on one store: that of the refreshes runs ahead.
	open, err := e.opener(alg)
	if err != nil {
		return nil, err
	}
	_, user, err := open(time.Now)
	if err != nil {
		return nil, err
	}
	ctx, grant := context.Background(), personGrant
	people := make([]session.Tokens, crowd)
	for i := range people {
		if people[i], err = user.Create(ctx, grant(i)); err != nil {
			return nil, err
		}
	}
	ahead := new(clock)
	refreshing, going, err := open(ahead.now)
	if err != nil {
		return nil, err
	}
	list := []task{
		{name: "Kind.Verify, CheckStore", read: true, worker: func(int) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := user.Verify(ctx, people[rand.N(crowd)].Access, session.CheckStore)
				return err
			}
		}},
		{name: "the two items, Store.Get", read: true, worker: func(int) func(context.Context) error {
			return func(ctx context.Context) error {
				id := people[rand.N(crowd)].SessionID
				part := "session:" + id[:16]
				items, err := e.store.Get(ctx, store.Key{Part: part, ID: id[17:]}, store.Key{Part: part, ID: "!"})
				if err == nil && len(items) != 1 {
					err = errors.New("the session's row is not there")
				}
				return err
			}
		}},
		{name: "Kind.Create", worker: func(int) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := user.Create(ctx, grant(rand.N(1<<40)))
				return err
			}
		}},
		{name: "Sessions.Refresh", worker: func(n int) func(context.Context) error {
			tokens, err := going.Create(ctx, grant(crowd+n))
			return func(ctx context.Context) error {
				if err != nil {
					return err
				}
				ahead.moved.Add(int64(31 * time.Second)) // past the grace
				old := tokens.Refresh
				tokens, err = refreshing.Refresh(ctx, old)
				if err == nil && tokens.Refresh == old {
					err = errors.New("nothing was rotated")
				}
				return err
			}
		}},
	}
	// Rows that are there are written anew, as refreshes do: each worker has its own.
	list = append(list, task{name: ownWrite, worker: func(n int) func(context.Context) error {
		items := &e.written[n]
		return func(ctx context.Context) error {
			item := &items[rand.N(len(items))]
			put := store.Put(*item)
			err := e.store.Write(ctx, put)
			*item = put.Item
			return err
		}
	}})
	for n := range e.written {
		for i := range e.written[n] {
			e.written[n][i] = store.Item{Key: store.Key{Part: fmt.Sprintf("session:%d.%d", n, i), ID: "a"}, Value: make([]byte, 600)}
		}
	}
	if e.plain != nil {
		list = append(list, task{name: plainWrite, worker: func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				return e.plain(ctx, fmt.Sprintf("session:%d.%d", n, rand.N(len(e.written[n]))))
			}
		}})
	}
	if e.peer == nil {
		return list, nil
	}
	return append(list, e.peerTasks()...), nil
}

// peerTasks are those of scs: a session is loaded and one value read, or changed and written.
func (e *engine) peerTasks() []task {
	m := scs.New()
	m.Store = e.peer
	m.Lifetime = 30 * 24 * time.Hour
	fill := func(ctx context.Context, n int) {
		m.Put(ctx, "userID", fmt.Sprint("u", n))
		m.Put(ctx, "tenantID", "acme")
		m.Put(ctx, "roles", []string{"admin", "editor", "viewer"})
		m.Put(ctx, "device", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		m.Put(ctx, "place", "192.0.2.7")
	}
	create := func(ctx context.Context, n int) (string, error) {
		ctx, err := m.Load(ctx, "")
		if err != nil {
			return "", err
		}
		fill(ctx, n)
		token, _, err := m.Commit(ctx)
		return token, err
	}
	people := sync.OnceValues(func() (tokens []string, err error) {
		tokens = make([]string, crowd)
		for i := range tokens {
			if tokens[i], err = create(context.Background(), i); err != nil {
				return nil, err
			}
		}
		return tokens, nil
	})
	var raw []task
	if e.raw != nil {
		raw = append(raw, task{name: "one read, the driver alone", read: true, worker: func(int) func(context.Context) error {
			tokens, err := people()
			return func(ctx context.Context) error {
				if err != nil {
					return err
				}
				return e.raw(ctx, tokens[rand.N(crowd)])
			}
		}})
	}
	return append(raw, []task{
		{name: peerRead, read: true, worker: func(int) func(context.Context) error {
			tokens, err := people()
			return func(ctx context.Context) error {
				if err != nil {
					return err
				}
				in, err := m.Load(ctx, tokens[rand.N(crowd)])
				if err == nil && m.GetString(in, "tenantID") != "acme" {
					err = errors.New("scs: the session is not there")
				}
				return err
			}
		}},
		{name: "scs: Commit of a new one", worker: func(int) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := create(ctx, 1)
				return err
			}
		}},
		{name: "scs: Load, Put, Commit", worker: func(int) func(context.Context) error {
			tokens, err := people()
			return func(ctx context.Context) error {
				if err != nil {
					return err
				}
				in, err := m.Load(ctx, tokens[rand.N(crowd)])
				if err != nil {
					return err
				}
				m.Put(in, "n", rand.Int())
				_, _, err = m.Commit(in)
				return err
			}
		}},
	}...)
}
