package main

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// TestUsers_ResetFactors: the command takes all factors from a user, and ends the sessions.
func TestUsers_ResetFactors(t *testing.T) {
	w := newUsersWorld(t)
	ada := w.add("ada@example.com")
	before := w.head(ada.ID)
	before.Factors, before.Backups = before.Factors.With("totp", 1), before.Backups.With("recovery", 9)
	row := store.Item{Key: store.Key{Part: head.Part(issuerURL, ada.ID), ID: "factor:totp"}, Value: []byte("{}")}
	if err := w.s.Store().Write(t.Context(), before.Put(), store.Put(row)); err != nil {
		t.Fatal(err)
	}
	tokens, err := w.kind.Create(t.Context(), session.Grant[string]{Subject: ada.ID, Authentication: session.Authentication{Time: noon, Methods: []string{"link"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.refused("reset-factors|ada@example.com", statusUsage, "add --yes")
	w.refused("reset-factors|nobody|--yes", statusNo, "there is no user nobody")
	if !w.head(ada.ID).Due() {
		t.Fatal("a refused command changed a user")
	}
	for range 2 {
		if out := w.run("reset-factors|ada@example.com|--yes"); !strings.Contains(out, "has no second factor any more") {
			t.Errorf("%s", out)
		}
	}
	if h := w.head(ada.ID); h.Due() || len(h.Backups) != 0 || h.Sec == before.Sec || h.Ways != before.Ways {
		t.Errorf("head %+v", h)
	}
	if items, err := w.s.Store().Get(t.Context(), row.Key); err != nil || len(items) != 0 {
		t.Errorf("a row is left: %v %v", items, err)
	}
	if _, err := w.s.Refresh(t.Context(), tokens.Refresh); session.Reason(err) != "ended" {
		t.Errorf("the session: %v", err)
	}
	h := w.head(ada.ID).Added()
	h.Ways.Passkeys = 1
	row.Key.ID = head.CredentialRow + "x"
	if err := w.s.Store().Write(t.Context(), h.Put(), store.Put(row)); err != nil {
		t.Fatal(err)
	}
	w.run("reset-factors|ada@example.com|--yes")
	if w.head(ada.ID).Ways.Passkeys != 1 {
		t.Error("a passkey is gone without --passkeys")
	}
	w.run("reset-factors|ada@example.com|--yes|--passkeys")
	if items, err := w.s.Store().Get(t.Context(), row.Key); err != nil || len(items) != 0 || w.head(ada.ID).Ways.Passkeys != 0 {
		t.Errorf("the passkey is left: %v %v", items, err)
	}
	if err := w.dir.Delete(t.Context(), ada.ID, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	w.refused("reset-factors|"+ada.ID+"|--yes", statusNo, "there is no user")
}

func (w *usersWorld) head(userID string) head.Head {
	w.t.Helper()
	h, err := head.Get(w.t.Context(), w.s.Store(), issuerURL, userID)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}
