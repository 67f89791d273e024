package keys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// TestRing_Import: an imported key checks tokens of the other system, without kid, until its day. It never signs, is
// not published, and does not check tokens of the issuer.
func TestRing_Import(t *testing.T) {
	c := newClock()
	vault := new(keys.MemoryVault)
	ring, other := open(t, vault, c), open(t, vault, c)
	sst, err := keys.Generate(keys.RS512)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("token of the other system")
	sig, err := sst.Sign(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Import(t.Context(), sst.Public(), c.Now().Add(30*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.Advance(6 * time.Minute)
	for name, r := range map[string]*keys.Ring{"the ring that imported it": ring, "another": other, "a new one": open(t, vault, c)} {
		if _, err := keys.Verify(t.Context(), r.Imported(), "", keys.RS512, message, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := keys.Verify(t.Context(), r.Imported(), "", keys.RS256, message, sig); !errors.Is(err, keys.ErrAlgorithm) {
			t.Errorf("%s, another algorithm: %v", name, err)
		}
		for _, kid := range []string{"", sst.Public().ID()} {
			if _, err := keys.Verify(t.Context(), r, kid, keys.RS512, message, sig); err == nil {
				t.Errorf("%s checks tokens of the issuer with the imported key", name)
			}
		}
		if list, err := r.PublicKeys(t.Context()); err != nil || len(list) != 1 || list[0].ID() == sst.Public().ID() {
			t.Errorf("%s publishes %v, %v", name, list, err)
		}
		if key := signingKey(t, r, 0); key.Public().ID() == sst.Public().ID() {
			t.Errorf("%s signs with it", name)
		}
	}
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := ring.ImportedKeys(t.Context()); err != nil || len(list) != 1 || list[0].ID != sst.Public().ID() {
		t.Errorf("after a rotation: %v, %v", list, err)
	}
	c.Advance(30 * 24 * time.Hour)
	if _, err := keys.Verify(t.Context(), ring.Imported(), "", keys.RS512, message, sig); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("after its day: %v", err)
	}
	if err := ring.Import(t.Context(), sst.Public(), c.Now().Add(-time.Second)); err == nil {
		t.Error("an end in the past is accepted")
	}
	if err := ring.Import(t.Context(), sst.Public(), c.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := ring.Revoke(t.Context(), sst.Public().ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Imported().PublicKey(context.Background(), ""); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("revoked: %v", err)
	}
	secret, err := keys.NewHMAC("", make32())
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Import(t.Context(), secret.Public(), c.Now().Add(time.Hour)); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("a shared secret: %v", err)
	}
	if err := ring.Import(t.Context(), signingKey(t, ring, 0).Public(), c.Now().Add(time.Hour)); !errors.Is(err, keys.ErrWeakKey) {
		t.Errorf("a key of the ring: %v", err)
	}
}

// TestRing_ImportDropped: a program from before imported keys reads the ring as it is, and drops them with an edit. One
// that runs meanwhile says so once, and not of a key that it revoked itself or whose day has come.
func TestRing_ImportDropped(t *testing.T) {
	c, vault := newClock(), new(keys.MemoryVault)
	var log bytes.Buffer
	ring := openRing(t, vault, func(r *keys.RingConfig) {
		r.Now, r.Logger = c.Now, slog.New(slog.NewTextHandler(&log, nil))
	})
	importOne := func(until time.Duration) string {
		t.Helper()
		key, err := keys.Generate(keys.ES256)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Import(t.Context(), key.Public(), c.Now().Add(until)); err != nil {
			t.Fatal(err)
		}
		return key.Public().ID()
	}
	dropped, ended, revoked := importOne(time.Hour), importOne(time.Minute), importOne(time.Hour)
	if err := ring.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	data, version, err := vault.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// What such a program writes: the members that it knows.
	var doc struct {
		Format  int               `json:"format"`
		Keys    []json.RawMessage `json:"keys"`
		Secrets []json.RawMessage `json:"secrets"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || len(doc.Keys) != 1 || len(doc.Secrets) != 1 {
		t.Fatalf("%v: %+v", err, doc)
	}
	if data, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Save(t.Context(), data, version); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Advance(6 * time.Minute)
		if _, err := ring.Imported().PublicKey(t.Context(), dropped); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("the dropped key: %v", err)
		}
	}
	if text := log.String(); strings.Count(text, "left the ring before its time") != 1 || !strings.Contains(text, "kid="+dropped) || strings.Contains(text, ended) || strings.Contains(text, revoked) {
		t.Errorf("%s", text)
	}
}

func make32() []byte { return []byte("0123456789abcdefghijklmnopqrstuv") }
