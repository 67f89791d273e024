package keys_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// TestRing_KeepsWhatItCannotRead: what a newer program put into the document, a key, a secret or an imported key is
// there after each kind of edit, and is not written twice.
func TestRing_KeepsWhatItCannotRead(t *testing.T) {
	c, vault := newClock(), new(keys.MemoryVault)
	ring := open(t, vault, c)
	other, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Import(t.Context(), other.Public(), c.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	read := func() (doc map[string]any, version string) {
		t.Helper()
		data, version, err := vault.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		return doc, version
	}
	doc, version := read()
	future := map[string]any{"a": []any{1.0, "<&>"}, "b": nil}
	places := []string{"keys", "secrets", "imported"}
	doc["future"] = future
	for _, place := range places {
		doc[place].([]any)[0].(map[string]any)["future"] = future
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Save(t.Context(), data, version); err != nil {
		t.Fatal(err)
	}
	first := signingKey(t, ring, 0).Public().ID()
	older := open(t, vault, c)
	for name, edit := range map[string]func() error{
		"rotate": func() error { return older.Rotate(t.Context()) },
		"revoke": func() error { return older.Revoke(t.Context(), first) },
		"a longer life": func() error {
			_, err := older.SigningKey(t.Context(), 48*time.Hour)
			return err
		},
	} {
		_, before := read()
		if err := edit(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		doc, after := read()
		if before == after {
			t.Errorf("%s saved nothing", name)
		}
		same := func(where string, object any) {
			t.Helper()
			got, _ := object.(map[string]any)["future"].(map[string]any)
			if want, _ := json.Marshal(future); !maps.EqualFunc(got, future, func(a, b any) bool {
				x, _ := json.Marshal(a)
				y, _ := json.Marshal(b)
				return string(x) == string(y)
			}) {
				t.Errorf("%s: %s has %v, want %s", name, where, got, want)
			}
		}
		same("the document", doc)
		for _, place := range places {
			same(place, doc[place].([]any)[0])
		}
	}
	_, before := read()
	if changed, err := older.RotateOlder(t.Context(), 24*time.Hour); changed || err != nil {
		t.Fatal(changed, err)
	}
	if _, after := read(); after != before {
		t.Error("an edit that changes nothing saved the document anew")
	}
}
