package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/oneprocess"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// sharedStore stands for a database: a store that many processes share.
type sharedStore struct{ store.Store }

func (s sharedStore) Get(_ context.Context, k ...store.Key) ([]store.Item, error) {
	return s.Store.Get(context.Background(), k...)
}

func (s sharedStore) Write(_ context.Context, c ...store.Change) error {
	return s.Store.Write(context.Background(), c...)
}

// wrapped hides the type of a vault, as one that counts or logs does.
type wrapped struct{ keys.Vault }

// TestLocalKeys: where a platform starts many processes, a ring in a vault of one process refuses every use, whenever
// it was opened and whatever is around the vault. A ring in a shared vault works.
func TestLocalKeys(t *testing.T) {
	dir := t.TempDir()
	if !strings.HasPrefix(dir, "/tmp/") {
		t.Logf("%s is not below /tmp: a FileVault there is not tested", dir)
	}
	elsewhere, err := os.MkdirTemp(home(t), "postern-test-") // shared by the functions of one machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(elsewhere) })
	link := filepath.Join(elsewhere, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	file := func(path string) keys.Vault { return keys.FileVault{Path: path, Sealer: keys.MasterKey(vaultKey)} }
	inTmp := strings.HasPrefix(dir, "/tmp/")
	for name, c := range map[string]struct {
		vault keys.Vault
		local bool
	}{
		"MemoryVault":                    {&keys.MemoryVault{}, true},
		"a MemoryVault in a wrapper":     {wrapped{&keys.MemoryVault{}}, true},
		"StoreVault over store.Memory":   {keys.StoreVault{Store: &store.Memory{}, Sealer: keys.MasterKey(vaultKey)}, true},
		"store.Memory in a wrapper":      {keys.StoreVault{Store: &spyStore{Store: &store.Memory{}}, Sealer: keys.MasterKey(vaultKey)}, true},
		"FileVault below /tmp":           {file(filepath.Join(dir, "keys")), inTmp},
		"FileVault linked to below /tmp": {file(filepath.Join(link, "linked")), inTmp},
		"FileVault elsewhere":            {file(filepath.Join(elsewhere, "keys")), strings.HasPrefix(elsewhere, "/tmp/")},
		"StoreVault over a database":     {keys.StoreVault{Store: sharedStore{&store.Memory{}}, Sealer: keys.MasterKey(vaultKey)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := oneprocess.Refuse(t.Context())
			check := func(what string, err error) {
				t.Helper()
				if refused := errors.Is(err, keys.ErrLocal) && errors.Is(err, keys.ErrUnavailable); refused != c.local || !c.local && err != nil {
					t.Errorf("%s: %v, local %v", what, err, c.local)
				}
			}
			ring := openRing(t, c.vault) // as main does, outside of a request
			kid := signingKey(t, ring, 0).Public().ID()
			if _, err := ring.Secret(t.Context(), ""); err != nil {
				t.Errorf("outside of a request: %v", err)
			}
			for what, use := range map[string]func() error{
				"PublicKey":     func() error { _, err := ring.PublicKey(request, kid); return err },
				"PublicKeys":    func() error { _, err := ring.PublicKeys(request); return err },
				"SigningKey":    func() error { _, err := ring.SigningKey(request, 0); return err },
				"Secret":        func() error { _, err := ring.Secret(request, ""); return err },
				"Keys":          func() error { _, err := ring.Keys(request); return err },
				"MasterSecrets": func() error { _, err := ring.MasterSecrets(request); return err },
				"Rotate":        func() error { return ring.Rotate(request) },
				"Open": func() error { // of a program that opens its ring when a request needs it
					_, err := keys.Open(request, keys.RingConfig{Vault: c.vault, Algorithm: keys.ES256, Logger: silent})
					return err
				},
			} {
				check(what, use())
			}
			if _, err := ring.PublicKey(t.Context(), kid); err != nil {
				t.Errorf("outside of a request, afterwards: %v", err)
			}
		})
	}
}

// TestLocalKeys_Generated: a key that a process made for itself signs nothing for others, and is not published.
func TestLocalKeys_Generated(t *testing.T) {
	request := oneprocess.Refuse(t.Context())
	made, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	given, err := keys.NewSigningKey(private, keys.ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key   keys.SigningKey
		local bool
	}{"generated": {made, true}, "handed in": {given, false}} {
		signer, err := keys.StaticSigner(c.key)
		if err != nil {
			t.Fatal(err)
		}
		_, signing := signer.SigningKey(request, 0)
		_, published := signer.PublicKeys(request)
		for what, err := range map[string]error{"SigningKey": signing, "PublicKeys": published} {
			if errors.Is(err, keys.ErrLocal) != c.local || errors.Is(err, keys.ErrUnavailable) != c.local || !c.local && err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if _, err := signer.SigningKey(t.Context(), 0); err != nil {
			t.Errorf("%s, outside of a request: %v", name, err)
		}
		if public, err := signer.PublicKeys(t.Context()); err != nil || len(public) != 1 {
			t.Errorf("%s, outside of a request: %v", name, err)
		}
	}
}

func home(t *testing.T) string {
	t.Helper()
	dir, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
