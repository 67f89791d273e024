package foreign_test

import (
	"bytes"
	"iter"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
	"github.com/posternauth/postern/users/foreign"
)

func each(list ...users.Imported) iter.Seq2[users.Imported, error] {
	return func(yield func(users.Imported, error) bool) {
		for _, u := range list {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// From one store to another: everybody who is exported can be imported, whatever they came from. Who was disabled is
// disabled, and by which provider somebody signs in is known.
func TestImporter_Move(t *testing.T) {
	from, to := directory(t, &store.Memory{}), directory(t, &store.Memory{})
	google := postern.Identity{Issuer: "https://accounts.google.com", Subject: "1", Provider: "google"}
	report, err := from.Import(t.Context(), "elsewhere", each(
		users.Imported{ID: "1", Addresses: []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}}, Identities: []postern.Identity{google}},
		users.Imported{ID: "2", Addresses: []postern.Address{{Type: "email", Value: "eve@example.com", Verified: true}}, Disabled: &users.Disabled{Why: "spam"}},
	), users.ImportOptions{})
	if err != nil || report.Created != 2 {
		t.Fatalf("%+v %v", report, err)
	}
	var file bytes.Buffer
	if err := from.ExportAll(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	// A line as programs wrote it that did not know since when a user is disabled.
	file.WriteString(`{"id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","disabled":{"at":"0001-01-01T00:00:00Z","why":"spam"},"created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z"}` + "\n")
	importer := foreign.Importer{KeepIDs: true}
	report, err = to.Import(t.Context(), "postern", importer.Users(foreign.Read(t.Context(), foreign.Postern, &file, foreign.Options{})), users.ImportOptions{})
	if err != nil || report.Created != 3 || report.Refused != 0 {
		t.Fatalf("%+v %v", report, err)
	}
	for address, disabled := range map[string]bool{"ada@example.com": false, "eve@example.com": true} {
		id, err := to.Find(t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: address})
		if err != nil {
			t.Fatal(address, err)
		}
		u, err := to.User(t.Context(), id)
		if err != nil || (u.Disabled != nil) != disabled || disabled && (u.Disabled.Why != "spam" || u.Disabled.At.IsZero()) {
			t.Errorf("%s: %+v %v", address, u.Disabled, err)
		}
		if !disabled && (len(u.Identities) != 1 || u.Identities[0].Provider != "google") {
			t.Errorf("%s: %+v", address, u.Identities)
		}
	}
}

// TestImporter_HashesAlone: the file of password hashes, read after the export job, takes nothing away from anybody.
func TestImporter_HashesAlone(t *testing.T) {
	dir := directory(t, &store.Memory{})
	run := func(file string) users.Report {
		t.Helper()
		records := foreign.Read(t.Context(), foreign.Auth0, bytes.NewReader(open(t, file)), foreign.Options{})
		report, err := dir.Import(t.Context(), "auth0", foreign.Importer{}.Users(records), users.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	run("auth0.ndjson")
	ada := postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}
	id, err := dir.Find(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	before, err := dir.User(t.Context(), id)
	if err != nil || len(before.Identities) == 0 {
		t.Fatalf("%+v %v", before, err)
	}
	if report := run("auth0-hashes.ndjson"); report.Updated != 0 || report.Skipped != 1 || len(report.Problems) != 1 {
		t.Errorf("%+v", report)
	}
	if after, err := dir.User(t.Context(), id); err != nil || after.Version != before.Version {
		t.Errorf("%+v %v", after, err)
	}
}
