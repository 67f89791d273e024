package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/posternauth/postern/keys"
)

// vaultKeyEnv is the environment variable with the key that seals the vault of --vault.
const vaultKeyEnv = "POSTERN_VAULT_KEY"

// vaultFlags name a vault on the command line.
type vaultFlags struct {
	dataFlag
	vaultNames
}

// vaultNames are vaultFlags without the data folder, for a command that has it already.
type vaultNames struct {
	Vault   string `placeholder:"URL" env:"POSTERN_VAULT" help:"Where the keys of a program are kept: file:PATH (FileVault), or the store of its StoreVault: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE, as --store of sessions. Default: the vault of the data folder. A password belongs into POSTERN_VAULT, which other people's process lists do not show."`
	KeyFile string `name:"vault-key-file" placeholder:"FILE" help:"A file with the key that seals the vault of --vault: 32 bytes in base64. Default: the environment variable POSTERN_VAULT_KEY has the key itself."`
	Ring    string `default:"main" placeholder:"NAME" help:"The ring in the store: StoreVault.Name of the program. Default: main"`
}

// A namedVault is an open vault with its name for people. The name has no password in it.
type namedVault struct {
	keys.Vault
	name string
	done func()
}

// open opens the vault. Where create is set, the data folder is made if it is not there; a store never is.
func (f vaultFlags) open(ctx context.Context, w world, create bool) (namedVault, error) {
	if f.Vault == "" {
		return f.openFolder(create)
	}
	path, inFile := strings.CutPrefix(f.Vault, "file:")
	if !inFile {
		if err := checkStoreURL("--vault", f.Vault); err != nil {
			return namedVault{}, err
		}
	}
	key, err := f.key()
	if err != nil {
		return namedVault{}, err
	}
	if inFile {
		return namedVault{keys.FileVault{Path: path, Key: key}, path, func() {}}, nil
	}
	st, done, err := openStore(ctx, w, "--vault", f.Vault)
	if err != nil {
		return namedVault{}, err
	}
	scheme, _, _ := strings.Cut(f.Vault, ":")
	return namedVault{keys.StoreVault{Store: st, Key: key, Name: f.Ring}, fmt.Sprintf("the ring %q of this %s store", f.Ring, scheme), done}, nil
}

func (f vaultFlags) openFolder(create bool) (namedVault, error) {
	data := folder(f.Data)
	if f.KeyFile != "" {
		return namedVault{}, usagef("--vault-key-file is the key of a --vault: give both, or neither for the data folder, which has its key in %s", vaultKeyFile)
	}
	if create {
		if err := data.create(); err != nil {
			return namedVault{}, err
		}
	} else if has, err := data.hasKeys(); err != nil || !has {
		if err == nil {
			err = fmt.Errorf("there are no keys in %s; make the first with: postern keys new --data %[1]s", f.Data)
		}
		return namedVault{}, err
	}
	vault, err := data.vault()
	return namedVault{vault, f.Data, func() {}}, err
}

// key returns the key that seals the vault. It is never an argument, because other people's process lists show those.
func (f vaultFlags) key() ([]byte, error) {
	text, from := os.Getenv(vaultKeyEnv), vaultKeyEnv
	if f.KeyFile != "" {
		if err := private(f.KeyFile); err != nil {
			return nil, err
		}
		data, err := os.ReadFile(f.KeyFile)
		if err != nil {
			return nil, err
		}
		text, from = string(data), f.KeyFile
	}
	if text == "" {
		return nil, usagef("the key that seals the vault is missing: set %s to it, or name a file that has it with --vault-key-file; it is 32 bytes in base64, the Key of the program's vault", vaultKeyEnv)
	}
	key, ok := decodeVaultKey(text)
	if !ok {
		return nil, usagef("%s does not hold 32 bytes in base64", from)
	}
	return key, nil
}

// ring opens a ring that is there already.
func (f vaultFlags) ring(ctx context.Context, w world) (*keys.Ring, func(), error) {
	v, err := f.open(ctx, w, false)
	if err != nil {
		return nil, nil, err
	}
	ring, has, err := v.ring(ctx, keys.RingConfig{Now: w.now}, false)
	if err == nil && !has {
		err = fmt.Errorf("there are no keys in %s; make the first with: postern keys new, and the same flags", v.name)
	}
	if err != nil {
		v.done()
		return nil, nil, err
	}
	return ring, v.done, nil
}

// ring opens the ring of a vault and reports whether it was there before. An empty vault gets a ring only if begin is
// set.
func (v namedVault) ring(ctx context.Context, c keys.RingConfig, begin bool) (ring *keys.Ring, had bool, err error) {
	_, version, err := v.Load(ctx)
	if err != nil || version == "" && !begin {
		return nil, false, err
	}
	c.Vault = v.Vault
	c.Logger = slog.New(slog.DiscardHandler) // a command prints its error
	ring, err = keys.Open(ctx, c)
	return ring, version != "", err
}
