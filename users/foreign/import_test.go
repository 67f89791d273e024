package foreign_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
	"github.com/posternauth/postern/users/foreign"
)

func directory(t *testing.T, memory store.Store) *users.Directory {
	t.Helper()
	w := testworld.New()
	c := w.Config("https://api.example.com/auth")
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
	dir, err := users.New(users.Config{Sessions: sessions, Roles: users.Roles{"author": {"posts:write"}}, AllowUsernames: true})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// From the file to the directory: people are found by what they proved there, and by nothing else. A second import
// changes nothing.
func TestImporter_IntoADirectory(t *testing.T) {
	memory := &store.Memory{}
	dir := directory(t, memory)
	kept := func(userID string) store.Key { return store.Key{Part: "test:" + userID, ID: "password"} }
	unread, notes := 0, 0
	importer := foreign.Importer{
		Roles: map[string]string{"editor": "author"}, Usernames: true,
		Password: func(userID, encoded string) store.Change {
			return store.Put(store.Item{Key: kept(userID), Value: []byte(encoded)})
		},
		Each: func(r foreign.Record, err *foreign.RecordError) {
			if err != nil {
				unread++
			}
			notes += len(r.Notes)
		},
	}
	run := func() users.Report {
		t.Helper()
		records := foreign.Read(t.Context(), foreign.Keycloak, bytes.NewReader(open(t, "keycloak.json")), foreign.Options{
			Issuers: map[string]string{"google": "https://accounts.google.com"},
		})
		report, err := dir.Import(t.Context(), "keycloak", importer.Users(records), users.ImportOptions{})
		if err != nil || report.Refused > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		return report
	}
	if report := run(); report.Created != 2 || unread != 1 || notes != 4 {
		t.Errorf("%+v, %d unread, %d notes", report, unread, notes)
	}
	if report := run(); report.Created != 0 || report.Updated != 0 || report.Skipped != 2 {
		t.Errorf("the second time: %+v", report)
	}
	var ada string
	for _, id := range []postern.Identity{
		{Issuer: postern.MailIssuer, Subject: "ada@example.com"},
		{Issuer: "https://accounts.google.com", Subject: "104142427804075574374"},
		{Issuer: postern.NameIssuer, Subject: "ada"},
	} {
		found, err := dir.Find(t.Context(), id)
		if err != nil || ada != "" && found != ada {
			t.Errorf("%s: %q, %v", id.Issuer, found, err)
		}
		ada = found
	}
	p, err := dir.Get(t.Context(), ada)
	if err != nil || !slices.Equal(p.Roles, []string{"author"}) || p.Name != "Ada Lovelace" || p.Disabled {
		t.Errorf("%+v, %v", p, err)
	}
	// Eve's address is not verified, so it finds nobody. Her user is disabled.
	if _, err := dir.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: "eve@example.com"}); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("found by an address that is not verified: %v", err)
	}
	disabled := 0
	for u, err := range dir.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Disabled != nil {
			disabled++
		}
	}
	if disabled != 1 {
		t.Errorf("%d users are disabled", disabled)
	}
	items, err := memory.Get(t.Context(), kept(ada))
	if err != nil || len(items) != 1 {
		t.Fatalf("the password was not written: %v", err)
	}
	hasher, err := hash.New(hash.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := hasher.Verify(t.Context(), string(items[0].Value), "test"); err != nil || !result.OK {
		t.Errorf("%+v, %v", result, err)
	}
}

// The zero Importer takes no rights and no name over, and ends at a record that cannot be read.
func TestImporter_Zero(t *testing.T) {
	dir := directory(t, &store.Memory{})
	records := foreign.Read(t.Context(), foreign.BetterAuth, bytes.NewReader(open(t, "better-auth.json")), foreign.Options{})
	report, err := dir.Import(t.Context(), "better-auth", foreign.Importer{}.Users(records), users.ImportOptions{})
	if err != nil || report.Created != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	for u, err := range dir.All(t.Context()) {
		if err != nil || len(u.Roles) > 0 || u.Username != "" || u.ID == "u1" || u.ID == "u2" {
			t.Errorf("%+v, %v", u, err)
		}
	}
	bad := foreign.Read(t.Context(), foreign.Keycloak, bytes.NewReader(open(t, "keycloak.json")), foreign.Options{})
	if _, err := dir.Import(t.Context(), "keycloak", foreign.Importer{}.Users(bad), users.ImportOptions{}); !errors.As(err, new(*foreign.RecordError)) {
		t.Errorf("%v", err)
	}
	// With KeepIDs the ids are those of the other system.
	again := directory(t, &store.Memory{})
	records = foreign.Read(t.Context(), foreign.BetterAuth, bytes.NewReader(open(t, "better-auth.json")), foreign.Options{})
	if _, err := again.Import(t.Context(), "better-auth", foreign.Importer{KeepIDs: true}.Users(records), users.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if p, err := again.Get(t.Context(), "u1"); err != nil || p.Name != "Ada Lovelace" {
		t.Errorf("%+v, %v", p, err)
	}
}

// An export of one directory goes into another one: people keep their ids, and are found as before. Roles are taken
// over by name alone, as from any other system.
func TestImporter_OwnExport(t *testing.T) {
	old, dir := directory(t, &store.Memory{}), directory(t, &store.Memory{})
	google := postern.Identity{Issuer: "https://accounts.google.com", Subject: "1", Provider: "google"}
	id, err := old.Create(t.Context(), postern.SignUp{
		Identity: postern.Identity{Issuer: postern.NameIssuer, Subject: "ada", Addresses: []postern.Address{{Type: "email", Value: "note@example.com"}}},
		Name:     "Ada", Locale: "de-CH", Roles: []string{"author"}, Fields: map[string]string{"plan": "pro"},
	})
	if err != nil {
		t.Fatal(err)
	}
	profile := json.RawMessage(`["dark"]`)
	_, err = old.Update(t.Context(), id, "", users.Fields{Profile: profile})
	for _, err := range []error{
		err, old.AddAddress(t.Context(), id, "ada@example.com", users.Extra{}), old.Link(t.Context(), id, google),
		old.Disable(t.Context(), id, "chargeback", time.Time{}, users.Extra{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := old.ExportAll(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	importer := foreign.Importer{KeepIDs: true, Usernames: true, Roles: map[string]string{"author": "author"}}
	records := foreign.Read(t.Context(), foreign.Postern, &out, foreign.Options{})
	if report, err := dir.Import(t.Context(), "postern", importer.Users(records), users.ImportOptions{}); err != nil || report.Created != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	before, err := old.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	after, err := dir.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	after.Version, after.Updated = before.Version, before.Updated
	after.Identities[0].Linked, after.Identities[0].Provider = before.Identities[0].Linked, google.Provider
	after.Disabled.At = before.Disabled.At
	if !reflect.DeepEqual(before, after) {
		t.Errorf("got\n%+v\nwant\n%+v", after, before)
	}
	for _, i := range []postern.Identity{google, {Issuer: postern.MailIssuer, Subject: "ada@example.com"}, {Issuer: postern.NameIssuer, Subject: "ada"}} {
		if found, err := dir.Find(t.Context(), i); err != nil || found != id {
			t.Errorf("%s: %q, %v", i.Issuer, found, err)
		}
	}
	if _, err := dir.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: "note@example.com"}); !errors.Is(err, postern.ErrNoUser) {
		t.Errorf("a note finds its user: %v", err)
	}
}
