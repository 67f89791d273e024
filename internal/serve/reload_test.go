package serve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// TestE5_ReloadKeepsRevocations: the next house of a process knows what the one before saw revoked. A vault that was
// set back or emptied since is refused, and the house before goes on. Another vault in the configuration is a new one.
func TestE5_ReloadKeepsRevocations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring")
	file := func(path string) string {
		return strings.Replace(memoryFile, `vault = "memory"`, `vault = "file:`+filepath.ToSlash(path)+`"`+"\nseal = \"secret:SEAL\"", 1)
	}
	p := Parts{LookupEnv: environment{"GITHUB": "0123456789", "SEAL": vaultKey()}.lookup, ReadFile: os.ReadFile, Memory: &Memory{}}
	var serving *House
	reload := func(path string) error {
		h, err := Open(t.Context(), parse(t, file(path)), p)
		if err == nil {
			t.Cleanup(func() { _ = h.Close() })
			serving = h
		}
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(reload(path))
	signer, err := serving.Ring().SigningKey(t.Context(), 0)
	must(err)
	leaked := signer.Public().ID()
	before, err := os.ReadFile(path)
	must(err)
	command, closeRing, err := OpenRing(t.Context(), parse(t, file(path)), Parts{LookupEnv: p.LookupEnv, ReadFile: p.ReadFile})
	must(err)
	must(command.Revoke(t.Context(), leaked))
	must(closeRing())
	must(reload(path))

	goesOn := func(when, reason string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: the reload: %v", when, err)
		}
		if _, err := serving.Ring().PublicKey(t.Context(), leaked); !errors.Is(err, keys.ErrRetired) {
			t.Errorf("%s: the revoked key: %v", when, err)
		}
		if signer, err := serving.Ring().SigningKey(t.Context(), 0); err != nil || signer.Public().ID() == leaked {
			t.Errorf("%s: signing: %v", when, err)
		}
	}
	revoked, err := os.ReadFile(path)
	must(err)
	must(os.WriteFile(path, before, 0o600))
	goesOn("set back", "set back to an older state", reload(path))
	goesOn("set back, again", "set back to an older state", reload(path))
	must(os.Remove(path))
	goesOn("emptied", "has been emptied", reload(path))
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused reload made a ring")
	}
	must(os.WriteFile(path, revoked, 0o600))
	must(reload(path))
	must(os.WriteFile(path, before, 0o600))
	goesOn("after a good reload", "set back to an older state", reload(path))

	must(reload(filepath.Join(dir, "other")))
	must(reload(path))
	if _, err := serving.Ring().PublicKey(t.Context(), leaked); err != nil {
		t.Errorf("another vault in between: %v", err)
	}
}
