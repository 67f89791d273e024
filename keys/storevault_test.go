package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
	"github.com/posternauth/postern/store"
)

var (
	vaultKey = bytes.Repeat([]byte{7}, 32)
	ringItem = store.Key{Part: "keys:main", ID: "ring"}
	silent   = slog.New(slog.DiscardHandler)
)

func TestStoreVault_Memory(t *testing.T) {
	vaulttest.RunPair(t, func(*testing.T) (one, other keys.Vault) {
		st := &store.Memory{}
		return keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}, keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: "main"}
	})
}

// itemOf returns the item of a ring as the store has it.
func itemOf(t *testing.T, st store.Store, k store.Key) store.Item {
	t.Helper()
	items, err := st.Get(t.Context(), k)
	if err != nil || len(items) != 1 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	return items[0]
}

// put replaces an item of a store, whatever is there.
func put(t *testing.T, st store.Store, k store.Key, value []byte) {
	t.Helper()
	items, err := st.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	it := store.Item{Key: k, Value: value}
	if len(items) == 1 {
		it.Version = items[0].Version
	}
	if err := st.Write(t.Context(), store.Put(it)); err != nil {
		t.Fatal(err)
	}
}

func openRing(t *testing.T, v keys.Vault, change ...func(*keys.RingConfig)) *keys.Ring {
	t.Helper()
	c := keys.RingConfig{Vault: v, Algorithm: keys.ES256, Logger: silent}
	for _, f := range change {
		f(&c)
	}
	ring, err := keys.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// TestK4_StoreVaultSealed: the store holds nothing of the ring that opens without the key, and keeps it for ever.
func TestK4_StoreVaultSealed(t *testing.T) {
	st := &store.Memory{}
	v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
	ring := openRing(t, v)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain, _, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Keys, Secrets []struct {
			ID      string
			Private []byte
		}
	}
	if err := json.Unmarshal(plain, &doc); err != nil || len(doc.Keys) != 2 || len(doc.Secrets) != 2 {
		t.Fatalf("%d keys, %d secrets, %v", len(doc.Keys), len(doc.Secrets), err)
	}
	it := itemOf(t, st, ringItem)
	if !it.Expires.IsZero() || !json.Valid(it.Value) {
		t.Errorf("the item expires at %v, or is not JSON: %.40s", it.Expires, it.Value)
	}
	var value struct{ Sealed []byte }
	if err := json.Unmarshal(it.Value, &value); err != nil || len(value.Sealed) < len(plain) {
		t.Fatalf("%d sealed bytes of %d, %v", len(value.Sealed), len(plain), err)
	}
	for _, e := range append(doc.Keys, doc.Secrets...) {
		for _, form := range []string{e.ID, string(e.Private[len(e.Private)-32:]), base64.StdEncoding.EncodeToString(e.Private)[:40], `"keys"`, string(vaultKey)} {
			for _, raw := range [][]byte{it.Value, value.Sealed} {
				if bytes.Contains(raw, []byte(form)) {
					t.Errorf("the item shows %q", form)
				}
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb, v); text != `keys.StoreVault("main")` {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	for name, key := range map[string][]byte{"another": bytes.Repeat([]byte{8}, 32), "none": nil, "short": make([]byte, 16), "zero": make([]byte, 32), "long": make([]byte, 33)} {
		t.Run(name, func(t *testing.T) { vaulttest.Unreadable(t, keys.StoreVault{Store: st, Sealer: keys.MasterKey(key)}) })
	}
	t.Run("no store", func(t *testing.T) { vaulttest.Unreadable(t, keys.StoreVault{Sealer: keys.MasterKey(vaultKey)}) })
}

// TestK4_StoreVaultBoundToItsPlace: a sealed ring opens where it was saved, and nowhere else. Programs with other names
// or keys cannot disturb each other in one store.
func TestK4_StoreVaultBoundToItsPlace(t *testing.T) {
	st := &store.Memory{}
	shop, office := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: "shop"}, keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: "office"}
	shopKey := signingKey(t, openRing(t, shop), 0).Public().ID()
	officeKey := signingKey(t, openRing(t, office), 0).Public().ID()
	if shopKey == officeKey {
		t.Fatal("two names, one ring")
	}
	if again := signingKey(t, openRing(t, shop), 0).Public().ID(); again != shopKey {
		t.Errorf("the ring of shop has %s, had %s", again, shopKey)
	}
	intruder := keys.StoreVault{Store: st, Sealer: keys.MasterKey(bytes.Repeat([]byte{9}, 32)), Name: "shop"}
	t.Run("another issuer under the same name", func(t *testing.T) { vaulttest.Unreadable(t, intruder) })

	shopPlace, officePlace := store.Key{Part: "keys:shop", ID: "ring"}, store.Key{Part: "keys:office", ID: "ring"}
	shopValue, officeValue := itemOf(t, st, shopPlace).Value, itemOf(t, st, officePlace).Value
	put(t, st, shopPlace, officeValue)
	put(t, st, officePlace, shopValue)
	t.Run("swapped", func(t *testing.T) {
		vaulttest.Unreadable(t, shop)
		vaulttest.Unreadable(t, office)
	})
	put(t, st, store.Key{Part: "keys:third", ID: "ring"}, shopValue)
	t.Run("copied", func(t *testing.T) {
		vaulttest.Unreadable(t, keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: "third"})
	})
	put(t, st, shopPlace, shopValue)
	if again := signingKey(t, openRing(t, shop), 0).Public().ID(); again != shopKey {
		t.Errorf("back in its place the ring has %s, had %s", again, shopKey)
	}
}

// TestStoreVault_NotARing: an item that is damaged, or of something else, is an error and never an empty vault.
func TestStoreVault_NotARing(t *testing.T) {
	st := &store.Memory{}
	v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
	openRing(t, v)
	good := itemOf(t, st, ringItem).Value
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, value := range map[string][]byte{
		"empty":               nil,
		"null":                []byte("null"),
		"an object":           []byte("{}"),
		"a list":              []byte("[]"),
		"text":                []byte("ring"),
		"cut short":           good[:len(good)-3],
		"half":                good[:len(good)/2],
		"flipped bit":         flipped,
		"twice":               append(bytes.Clone(good), good...),
		"nothing sealed":      []byte(`{"format":"postern-ring-1","sealed":""}`),
		"too little sealed":   []byte(`{"format":"postern-ring-1","sealed":"AAAA"}`),
		"a later format":      bytes.Replace(good, []byte("ring-1"), []byte("ring-2"), 1),
		"a session":           []byte(`{"iss":"https://api.example.com/auth","sub":"u1"}`),
		"the ring in clear":   []byte(`{"format":1,"keys":[],"secrets":[]}`),
		"sealed in clear":     []byte(`{"format":"postern-ring-1","sealed":"` + base64.StdEncoding.EncodeToString([]byte(`{"format":1,"keys":[],"secrets":[]}`)) + `"}`),
		"a file of FileVault": []byte("postern-vault-1\n" + strings.Repeat("x", 60)),
	} {
		t.Run(name, func(t *testing.T) {
			put(t, st, ringItem, value)
			vaulttest.Unreadable(t, v)
			_, _, err := v.Load(t.Context())
			if err == nil || strings.Contains(err.Error(), string(good[30:60])) {
				t.Errorf("Load: %v", err)
			}
			if got := itemOf(t, st, ringItem).Value; !bytes.Equal(got, value) {
				t.Errorf("the item was replaced by %.60q", got)
			}
		})
	}
	put(t, st, ringItem, good)
	openRing(t, v)
}

// A spyStore lets a test answer in the place of a store.
type spyStore struct {
	store.Store
	get   func(context.Context, ...store.Key) ([]store.Item, error)
	write func(context.Context, ...store.Change) error
}

func (s *spyStore) Get(ctx context.Context, k ...store.Key) ([]store.Item, error) {
	if s.get != nil {
		return s.get(ctx, k...)
	}
	return s.Store.Get(ctx, k...)
}

func (s *spyStore) Write(ctx context.Context, c ...store.Change) error {
	if s.write != nil {
		return s.write(ctx, c...)
	}
	return s.Store.Write(ctx, c...)
}

// TestStoreVault_LostAnswer: a Save whose answer is lost returns what the store has: success if it was written, and an
// error that is not ErrConflict if it was not, or if that is unknown. No rotation is lost or made twice.
func TestStoreVault_LostAnswer(t *testing.T) {
	lost := errors.New("connection reset")
	st := &spyStore{Store: &store.Memory{}}
	v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
	ring := openRing(t, v)
	count := func() int {
		list, err := ring.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	st.write = func(ctx context.Context, c ...store.Change) error {
		return errors.Join(st.Store.Write(ctx, c...), lost)
	}
	if err := ring.Rotate(t.Context()); err != nil || count() != 2 {
		t.Errorf("written, answer lost: %v, %d keys", err, count())
	}
	st.write = func(context.Context, ...store.Change) error { return lost }
	if err := ring.Rotate(t.Context()); !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, lost) || errors.Is(err, keys.ErrConflict) || count() != 2 {
		t.Errorf("not written: %v, %d keys", err, count())
	}
	data, version, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	st.get = func(context.Context, ...store.Key) ([]store.Item, error) { reads++; return nil, lost }
	if _, err := v.Save(t.Context(), data, version); !errors.Is(err, lost) || reads != 1 {
		t.Errorf("unknown: %v, %d reads", err, reads)
	}
	vaulttest.Unreadable(t, v)
	st.write = func(context.Context, ...store.Change) error { return store.ErrConflict }
	if _, err := v.Save(t.Context(), data, version); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("a conflict of the store: %v", err)
	}
}

// TestStoreVault_Hangs: a store that never answers keeps no caller longer than the ring allows.
func TestStoreVault_Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		st := &spyStore{Store: &store.Memory{}}
		st.get = func(ctx context.Context, k ...store.Key) ([]store.Item, error) {
			if hangs.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return st.Store.Get(ctx, k...)
		}
		v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
		ring := openRing(t, v)
		kid := signingKey(t, ring, time.Minute).Public().ID()
		hangs.Store(true)
		start := time.Now()
		if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256, Logger: silent}); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("Open: %v", err)
		}
		took(t, "Open", start, 5*time.Second)
		time.Sleep(6 * time.Minute)
		start = time.Now()
		if _, err := ring.PublicKey(t.Context(), kid); err != nil {
			t.Errorf("a known key: %v", err)
		}
		took(t, "a known key", start, atHand)
		time.Sleep(time.Minute)
		hangs.Store(false)
		if _, err := ring.PublicKey(t.Context(), kid); err != nil {
			t.Errorf("a known key after the store came back: %v", err)
		}
	})
}

// TestStoreVault_TooLarge: a ring that no engine keeps is refused before the store is asked, and the old one stays.
func TestStoreVault_TooLarge(t *testing.T) {
	st := &spyStore{Store: &store.Memory{}}
	v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
	version, err := v.Save(t.Context(), make([]byte, 190_000), "")
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	st.write = func(context.Context, ...store.Change) error { writes++; return nil }
	_, err = v.Save(t.Context(), make([]byte, 200_000), version)
	if err == nil || errors.Is(err, keys.ErrConflict) || writes != 0 || !strings.Contains(err.Error(), "at most 262144") {
		t.Errorf("200 KB: %v, %d writes", err, writes)
	}
	if data, at, err := v.Load(t.Context()); err != nil || len(data) != 190_000 || at != version {
		t.Errorf("afterwards: %d bytes, %v", len(data), err)
	}
}

// TestK1_RolledBackVault: where a store is set back to an older state, a process that has seen a key revoked goes on
// refusing it, and writes the revocation again with its next change.
func TestK1_RolledBackVault(t *testing.T) {
	st := &store.Memory{}
	v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey)}
	now := time.Now()
	var log bytes.Buffer
	ring := openRing(t, v, func(c *keys.RingConfig) {
		c.Now, c.Logger = func() time.Time { return now }, slog.New(slog.NewJSONHandler(&log, nil))
	})
	stolen := signingKey(t, ring, 0).Public().ID()
	secret, err := ring.Secret(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	before := itemOf(t, st, ringItem).Value
	for _, id := range []string{stolen, secret.ID} {
		if err := ring.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	put(t, st, ringItem, before)
	if late := openRing(t, v); signingKey(t, late, 0).Public().ID() != stolen {
		t.Fatal("the older state does not have the key: nothing is tested")
	}
	refused := func(when string) {
		t.Helper()
		if _, err := ring.PublicKey(t.Context(), stolen); !errors.Is(err, keys.ErrRetired) {
			t.Errorf("%s: the revoked key: %v", when, err)
		}
		if _, err := ring.Secret(t.Context(), secret.ID); !errors.Is(err, keys.ErrRetired) {
			t.Errorf("%s: the revoked secret: %v", when, err)
		}
	}
	for range 3 {
		now = now.Add(6 * time.Minute)
		refused("after a reload")
	}
	if !strings.Contains(log.String(), "set back to an older state") || !strings.Contains(log.String(), stolen) {
		t.Errorf("the log: %s", log.String())
	}
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("after a rotation")
	late := openRing(t, v)
	if _, err := late.PublicKey(t.Context(), stolen); !errors.Is(err, keys.ErrRetired) {
		t.Errorf("a new process after the revocation was written again: %v", err)
	}
	if signingKey(t, late, 0).Public().ID() == stolen {
		t.Error("a new process signs with the revoked key")
	}
}
