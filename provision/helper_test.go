package provision_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/store"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const secret = "whsec_0123456789abcdef0123456789abcdef"

// table is a Users: it keeps roles by address, and counts the calls and the changes.
type table struct {
	mu      sync.Mutex
	roles   map[string][]string
	calls   int
	changes int
	fail    error
	enter   func()
}

func (u *table) Upsert(ctx context.Context, g provision.Grant) (provision.Result, error) {
	u.mu.Lock()
	enter := u.enter
	u.mu.Unlock()
	if enter != nil {
		enter()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls++
	if u.fail != nil {
		return provision.Result{}, u.fail
	}
	if u.roles == nil {
		u.roles = map[string][]string{}
	}
	for _, r := range g.Roles {
		if !slices.Contains(u.roles[g.Email], r) {
			u.roles[g.Email] = append(u.roles[g.Email], r)
			u.changes++
		}
	}
	return provision.Result{UserID: g.Email}, nil
}

func (u *table) counts() (calls, changes int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls, u.changes
}

// parse reads {"id","type","email","role"}.
func parse(e provision.Event) (provision.Grant, error) {
	var v struct{ Type, Email, Name, Role string }
	if err := e.JSON(&v); err != nil {
		return provision.Grant{}, err
	}
	if v.Type != "paid" {
		return provision.Grant{}, provision.ErrIgnored
	}
	return provision.Grant{Email: v.Email, Name: v.Name, Roles: []string{v.Role}}, nil
}

type hook struct {
	http.Handler
	users *table
	clock *testclock.Clock
	store store.Store
	log   *strings.Builder
}

func newHook(t *testing.T, change func(*provision.WebhookConfig)) *hook {
	t.Helper()
	h := &hook{users: &table{}, clock: testclock.New(start), log: &strings.Builder{}}
	c := provision.WebhookConfig{
		Name: "shop", Scheme: provision.Stripe(), Secrets: []string{secret}, Users: h.users, Store: &store.Memory{},
		Roles: []string{"course", "member"}, Parse: parse, Now: h.clock.Now,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	h.store = c.Store
	var err error
	if h.Handler, err = provision.Webhook(c); err != nil {
		t.Fatal(err)
	}
	return h
}

func mac(key string, parts ...string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	for _, p := range parts {
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}

// paid is the body of an event.
func paid(id, email, role string) string {
	return fmt.Sprintf(`{"id":%q,"type":"paid","email":%q,"role":%q}`, id, email, role)
}

// stripeRequest is a delivery as Stripe signs it.
func stripeRequest(body string, at time.Time, keys ...string) *http.Request {
	r := httptest.NewRequest("POST", "/hooks/shop", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	value := fmt.Sprintf("t=%d", at.Unix())
	for _, k := range keys {
		value += ",v1=" + hex.EncodeToString(mac(k, fmt.Sprint(at.Unix()), ".", body))
	}
	r.Header.Set("Stripe-Signature", value)
	return r
}

func do(h http.Handler, r *http.Request) (status int, body string) {
	w := newRecorder(h, r)
	return w.Code, w.Body.String()
}

var errDown = errors.New("the database is down")

// mortal is a store that dies: from its operation number dies on, every operation fails. With half, that operation is
// carried out and its answer is lost.
type mortal struct {
	store.Store
	mu   sync.Mutex
	n    int
	dies int
	half bool
}

func (m *mortal) step() (carry, fail bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	return m.n < m.dies || m.n == m.dies && m.half, m.n >= m.dies
}

func (m *mortal) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if _, fail := m.step(); fail {
		return nil, errDown
	}
	return m.Store.Get(ctx, keys...)
}

func (m *mortal) Write(ctx context.Context, changes ...store.Change) error {
	carry, fail := m.step()
	var err error
	if carry {
		err = m.Store.Write(ctx, changes...)
	}
	if fail {
		return errDown
	}
	return err
}

func newRecorder(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
