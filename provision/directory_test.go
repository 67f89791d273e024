package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// office is a directory of users, and the place where a webhook gives roles.
type office struct {
	*testworld.World
	store   store.Store
	dir     *users.Directory
	pending *provision.Pending
	grants  *provision.Directory
}

func newOffice(t *testing.T, memory store.Store, change func(*provision.DirectoryConfig)) *office {
	t.Helper()
	o := &office{World: testworld.New(), store: memory}
	c := o.Config("https://api.example.com/auth")
	c.Store = memory
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	testworld.Static(t, &c, key)
	sessions, err := session.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if o.pending, err = provision.NewPending(provision.PendingConfig{Store: memory, Now: o.Now}); err != nil {
		t.Fatal(err)
	}
	o.dir, err = users.New(users.Config{
		Sessions: sessions, Redeem: o.pending.Redeem, AllowUsernames: true,
		Roles: users.Roles{"course": {"lessons:read"}, "member": {"forum:read"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := provision.DirectoryConfig{Users: o.dir, Pending: o.pending, AddRoles: func(ctx context.Context, userID string, roles []string) error {
		return o.dir.AddRolesWith(ctx, userID, roles, users.Extra{})
	}}
	if change != nil {
		change(&d)
	}
	if o.grants, err = provision.NewDirectory(d); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) signUp(t *testing.T, id postern.Identity) string {
	t.Helper()
	userID, err := o.dir.Create(t.Context(), postern.SignUp{ID: fmt.Sprintf("sign-up-with-%032s", id.Subject), Identity: id, Time: o.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return userID
}

func (o *office) roles(t *testing.T, userID string) []string {
	t.Helper()
	p, err := o.dir.Get(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return p.Roles
}

func mailbox(address string) postern.Identity {
	return postern.Identity{Issuer: postern.MailIssuer, Subject: address, Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}
}

func account(subject, address string, verified bool) postern.Identity {
	return postern.Identity{Issuer: "https://accounts.google.com", Subject: subject, Addresses: []postern.Address{{Type: "email", Value: address, Verified: verified}}}
}

// A role that was paid for reaches the person who proves the address, however they prove it, and nobody else.
func TestA11_DirectoryRoleReachesWhoProvesTheAddress(t *testing.T) {
	for name, prove := range map[string]func(o *office) string{
		"sign-up by mail":   func(o *office) string { return o.signUp(t, mailbox("ada@example.com")) },
		"sign-up by Google": func(o *office) string { return o.signUp(t, account("ada", "ada@example.com", true)) },
		"address added later": func(o *office) string {
			id := o.signUp(t, account("ada", "old@example.com", true))
			if err := o.dir.AddAddress(t.Context(), id, "ada@example.com", users.Extra{}); err != nil {
				t.Fatal(err)
			}
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, &store.Memory{}, nil)
			mallory := o.signUp(t, account("mallory", "ada@example.com", false)) // a note: it identifies nobody
			for range 2 {
				out, err := o.grants.Upsert(t.Context(), grant)
				if err != nil || !out.Pending || out.UserID != "" {
					t.Fatalf("%+v, %v", out, err)
				}
			}
			if _, err := o.dir.Find(t.Context(), mailbox("ada@example.com")); !errors.Is(err, postern.ErrNoUser) {
				t.Errorf("the webhook made a user: %v", err)
			}
			if got := o.roles(t, mallory); len(got) != 0 {
				t.Errorf("a note has the roles %v", got)
			}
			ada := prove(o)
			if got := o.roles(t, ada); !slices.Equal(got, []string{"course"}) {
				t.Errorf("after proof: %v", got)
			}
			p, err := o.dir.Get(t.Context(), ada)
			if err != nil || !slices.Equal(p.Scopes, []string{"lessons:read"}) || p.Name == "Ada" {
				t.Errorf("%+v, %v: the scopes are those of the role, and the name is not the sender's", p, err)
			}
			if got := o.roles(t, mallory); len(got) != 0 {
				t.Errorf("after proof a note has the roles %v", got)
			}
			// A later purchase finds the user.
			later := grant
			later.Roles = []string{"member"}
			if out, err := o.grants.Upsert(t.Context(), later); err != nil || out.Pending || out.UserID != ada {
				t.Errorf("%+v, %v", out, err)
			}
			if got := o.roles(t, ada); !slices.Equal(got, []string{"course", "member"}) {
				t.Errorf("after the second purchase: %v", got)
			}
		})
	}
}

// An administrator takes a role away: what was given once does not come back.
func TestDirectory_RoleIsGivenOnce(t *testing.T) {
	o := newOffice(t, &store.Memory{}, nil)
	if _, err := o.grants.Upsert(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	ada := o.signUp(t, mailbox("ada@example.com"))
	if got := o.roles(t, ada); len(got) != 1 {
		t.Fatalf("%v", got)
	}
	if err := o.dir.SetRoles(t.Context(), ada, nil, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	o.Advance(24 * time.Hour)
	if got := o.roles(t, ada); len(got) != 0 {
		t.Errorf("came back: %v", got)
	}
}

// A disabled user gets nothing until they are enabled, and a role that is not configured any more keeps nobody out.
func TestDirectory_DisabledAndUnknownRoles(t *testing.T) {
	o := newOffice(t, &store.Memory{}, nil)
	ada := o.signUp(t, account("ada", "other@example.com", true))
	if err := o.pending.Add(t.Context(), "ada@example.com", "course", "gone"); err != nil {
		t.Fatal(err)
	}
	if err := o.dir.AddAddress(t.Context(), ada, "ada@example.com", users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if err := o.dir.Disable(t.Context(), ada, "test", o.Now().Add(time.Hour), users.Extra{}); err != nil {
		t.Fatal(err)
	}
	if got := o.roles(t, ada); len(got) != 0 {
		t.Errorf("disabled: %v", got)
	}
	o.Advance(2 * time.Hour)
	if got := o.roles(t, ada); !slices.Equal(got, []string{"course"}) {
		t.Errorf("enabled: %v", got)
	}
	if err := o.dir.AddRolesWith(t.Context(), ada, []string{"gone"}, users.Extra{}); !errors.Is(err, users.ErrRole) {
		t.Errorf("a role that is not configured: %v", err)
	}
}

func TestDirectory_TrustSenderAddresses(t *testing.T) {
	o := newOffice(t, &store.Memory{}, func(c *provision.DirectoryConfig) { c.TrustSenderAddresses = true })
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, created := map[string]bool{}, 0
	for range 50 {
		wg.Go(func() {
			out, err := o.grants.Upsert(t.Context(), grant)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids[out.UserID] = true
			if out.Created {
				created++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || created != 1 {
		t.Errorf("%d users, %d created", len(ids), created)
	}
	for id := range ids {
		if got := o.roles(t, id); !slices.Equal(got, []string{"course"}) {
			t.Errorf("%v", got)
		}
	}
}

// Deliveries race with the proof of the address: no role is lost in any order.
func TestDirectory_RaceWithProof(t *testing.T) {
	for range 30 {
		o := newOffice(t, &store.Memory{}, nil)
		var wg sync.WaitGroup
		var ada string
		for _, role := range []string{"course", "member"} {
			wg.Go(func() {
				if _, err := o.grants.Upsert(t.Context(), provision.Grant{Email: "ada@example.com", Roles: []string{role}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			ada = o.signUp(t, mailbox("ada@example.com"))
			o.roles(t, ada)
		})
		wg.Wait()
		// No Get in between: what Redeem missed, Upsert has given.
		u, err := o.dir.User(t.Context(), ada)
		if err != nil || !slices.Equal(u.Roles, []string{"course", "member"}) {
			t.Fatalf("%v, %v", u.Roles, err)
		}
	}
}

// The store dies at each operation of a delivery and of the sign-in after it. The next tries give the role once.
func TestDirectory_CrashAnywhere(t *testing.T) {
	for _, half := range []bool{false, true} {
		died := 0
		for at := 1; ; at++ {
			memory := &store.Memory{}
			ada := newOffice(t, memory, nil).signUp(t, account("ada", "other@example.com", true))
			sick := &mortal{Store: memory, dies: at, half: half}
			o := newOffice(t, sick, nil)
			_, err := o.grants.Upsert(t.Context(), grant)
			if err == nil {
				err = o.dir.AddAddress(t.Context(), ada, "ada@example.com", users.Extra{})
			}
			if err == nil {
				_, err = o.dir.Get(t.Context(), ada)
			}
			if err != nil {
				died++
			}
			healthy := newOffice(t, memory, nil)
			if _, err := healthy.grants.Upsert(t.Context(), grant); err != nil {
				t.Fatal(err)
			}
			if err := healthy.dir.AddAddress(t.Context(), ada, "ada@example.com", users.Extra{}); err != nil {
				t.Fatal(err)
			}
			if got := healthy.roles(t, ada); !slices.Equal(got, []string{"course"}) {
				t.Errorf("half=%v, died at %d: %v", half, at, got)
			}
			if sick.n < at {
				break
			}
		}
		if died < 6 {
			t.Errorf("half=%v: only %d deaths: the sweep is wrong", half, died)
		}
	}
}

// A store that fails is an error of Get: a person never seems to have fewer roles than they have.
func TestDirectory_StoreFails(t *testing.T) {
	o := newOffice(t, &store.Memory{}, nil)
	o.signUp(t, mailbox("ada@example.com"))
	c := provision.DirectoryConfig{Users: o.dir, Pending: o.pending, AddRoles: func(context.Context, string, []string) error { return errDown }}
	failing, err := provision.NewDirectory(c)
	if err != nil {
		t.Fatal(err)
	}
	h := newHook(t, func(w *provision.WebhookConfig) { w.Users = failing })
	if status, body := do(h, stripeRequest(paid("evt_1", "ada@example.com", "course"), start, secret)); status != 503 {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []func(*provision.DirectoryConfig){
		func(c *provision.DirectoryConfig) { c.Users = nil },
		func(c *provision.DirectoryConfig) { c.AddRoles = nil },
		func(c *provision.DirectoryConfig) { c.Pending = nil },
	} {
		broken := c
		bad(&broken)
		if _, err := provision.NewDirectory(broken); err == nil {
			t.Error("a configuration without a part is taken")
		}
	}
}

// slow is a directory in which something happens after the first Find.
type slow struct {
	*users.Directory
	once sync.Once
	then func()
}

func (s *slow) Find(ctx context.Context, id postern.Identity) (string, error) {
	found, err := s.Directory.Find(ctx, id)
	s.once.Do(s.then)
	return found, err
}

// Somebody proves the address, and asks for what waits, between the look-up of a delivery and the moment when it keeps
// the role.
func TestDirectory_ProvedInBetween(t *testing.T) {
	var ada string
	o := newOffice(t, &store.Memory{}, nil)
	c := provision.DirectoryConfig{Pending: o.pending, AddRoles: func(ctx context.Context, userID string, roles []string) error {
		return o.dir.AddRolesWith(ctx, userID, roles, users.Extra{})
	}}
	c.Users = &slow{Directory: o.dir, then: func() {
		ada = o.signUp(t, mailbox("ada@example.com"))
		if got := o.roles(t, ada); len(got) != 0 {
			t.Errorf("too early: %v", got)
		}
	}}
	grants, err := provision.NewDirectory(c)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := grants.Upsert(t.Context(), grant); err != nil || out.Pending || out.UserID != ada {
		t.Errorf("%+v, %v", out, err)
	}
	if u, err := o.dir.User(t.Context(), ada); err != nil || !slices.Equal(u.Roles, []string{"course"}) {
		t.Errorf("%v, %v", u.Roles, err)
	}
}
