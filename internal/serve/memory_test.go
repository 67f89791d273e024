package serve

import (
	"os"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
)

const memoryFile = `issuer = "http://localhost:8080/auth"
audience = "https://api.example.com"
redirects = ["/done"]
[store]
url = "memory"
[keys]
vault = "memory"
algorithm = "ES256"
[providers.github]
type = "github"
client_id = "id"
client_secret = "secret:GITHUB"
`

// TestE5_MemoryOutlivesAReload: the next house of a process has the rows and the keys of the one before. A check of a
// configuration, and another process, have neither.
func TestE5_MemoryOutlivesAReload(t *testing.T) {
	p := Parts{LookupEnv: environment{"GITHUB": "0123456789"}.lookup, ReadFile: os.ReadFile, Memory: &Memory{}}
	open := func() *House {
		t.Helper()
		h, err := Open(t.Context(), parse(t, memoryFile), p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	key := func(h *House) string {
		t.Helper()
		all, err := h.Ring().Keys(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("%d keys: %v", len(all), err)
		}
		return all[0].ID
	}
	has := func(h *House) bool {
		items, err := h.Store().Get(t.Context(), store.Key{Part: "test", ID: "kept"})
		return err == nil && len(items) == 1 && string(items[0].Value) == "a session"
	}
	first := open()
	row := store.Item{Key: store.Key{Part: "test", ID: "kept"}, Value: []byte("a session"), Expires: time.Now().Add(time.Hour)}
	if err := first.Store().Write(t.Context(), store.Put(row)); err != nil {
		t.Fatal(err)
	}
	next := open()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if key(next) != key(first) || !has(next) {
		t.Errorf("after a reload: the key is %s, want %s; the row is there: %v", key(next), key(first), has(next))
	}
	if err := Check(t.Context(), parse(t, memoryFile), p); err != nil || !has(next) {
		t.Errorf("after a check: %v, the row is there: %v", err, has(next))
	}
	p.Memory = nil
	if other := open(); key(other) == key(first) || has(other) {
		t.Error("two processes share a memory")
	}
}
