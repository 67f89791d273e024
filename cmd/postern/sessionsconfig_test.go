package main

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestSessionsRevoke_ConfigEndsAllKinds: with a configuration, the sessions of a person are those in the administration
// too, whatever the kinds are named, and what else was begun for the person ends with them.
func TestSessionsRevoke_ConfigEndsAllKinds(t *testing.T) {
	folder := t.TempDir()
	config, database := filepath.Join(folder, "postern.toml"), filepath.Join(folder, "auth.db")
	text := "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"sqlite:" + database + "\"\n" +
		"[session]\nkind = \"member\"\n[admin]\nenabled = true\nkind = \"crew\"\nrequire_factor = false\n[keys]\nseal = \"secret:NOT_SET\"\n" +
		"[users.roles]\nadmin = [\"users:read\", \"users:write\", \"users:roles\"]\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:NOT_SET\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", sqlstore.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close(); db.Close() })
	const issuer = "http://localhost:8080/auth"
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: ring, Store: st, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []*session.Kind[struct{}]
	for _, name := range []string{"member", "crew"} {
		kinds = append(kinds, session.NewKindConfig(s, session.KindConfig[struct{}]{Name: name, Pool: issuer}))
	}
	begin := func() (all []session.Tokens) {
		t.Helper()
		for _, k := range kinds {
			tokens, err := k.Create(t.Context(), session.Grant[struct{}]{Subject: "u1"})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, tokens)
		}
		return all
	}
	all := begin()
	if out, errs, status := call(t, "", "sessions", "list", "--config", config, "u1"); status != 0 || !strings.Contains(out, all[0].SessionID) || !strings.Contains(out, all[1].SessionID) {
		t.Errorf("the list: %d %s%s", status, out, errs)
	}
	if out, errs, status := call(t, "", "sessions", "revoke", "--config", config, "--subject", "u1"); status != 0 || !strings.Contains(out, "(kind member, crew) have ended (2 live sessions found)") {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	for i := range kinds {
		if _, err := s.Refresh(t.Context(), all[i].Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("the session %d goes on: %v", i, err)
		}
	}
	h, err := head.Get(t.Context(), st, issuer, "u1")
	if err != nil || h.Sec == 0 {
		t.Errorf("the head has not moved: %+v, %v", h, err)
	}

	all = begin()
	if out, errs, status := call(t, "", "sessions", "revoke", "--config", config, "--kind", "crew", "--subject", "u1"); status != 0 || !strings.Contains(out, "(kind crew) have ended (1 live session found)") {
		t.Errorf("revoke of a kind: %d %s%s", status, out, errs)
	}
	if _, err := s.Refresh(t.Context(), all[1].Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the session of the kind goes on: %v", err)
	}
	if _, err := s.Refresh(t.Context(), all[0].Refresh); err != nil {
		t.Errorf("the session of the other kind: %v", err)
	}
}
