package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/posternauth/postern/keys"
)

// folder is a data folder: the sealed key ring and secrets, the key they are sealed with, and the database and the
// issuer of `dev`.
type folder string

// Files of a data folder.
const (
	vaultFile    = "keys.vault"
	secretsFile  = "secrets.vault"
	vaultKeyFile = "vault.key"
	databaseFile = "postern.db"
	issuerFile   = "issuer"
)

func (f folder) file(name string) string { return filepath.Join(string(f), name) }

// create makes the folder unless it is there, for its owner alone, and hides it from git.
func (f folder) create() error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	err := writeOnce(f.file(".gitignore"), []byte("*\n"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the data folder: %w", err)
	}
	return nil
}

// hasKeys reports whether the folder holds a ring.
func (f folder) hasKeys() (bool, error) {
	_, err := os.Stat(f.file(vaultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// vault opens the vault of a folder that exists. Where there are no keys yet, its key is made.
func (f folder) vault() (keys.FileVault, error) {
	key, err := f.vaultKey()
	if err != nil {
		return keys.FileVault{}, err
	}
	return keys.FileVault{Path: f.file(vaultFile), Sealer: keys.MasterKey(key)}, nil
}

// vaultKey reads the 32 bytes the ring is sealed with. They lie beside it, so they protect a copy of the one file (a
// backup, a commit by mistake), not the folder: everybody who can read the folder can sign.
func (f folder) vaultKey() ([]byte, error) {
	path := f.file(vaultKeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		sealed, err := f.hasKeys()
		if err != nil {
			return nil, err
		}
		if sealed {
			return nil, fmt.Errorf("%s is gone, and without it %s cannot be opened: bring it back, or remove both and begin anew (all sessions end)", path, f.file(vaultFile))
		}
		if _, err := os.Stat(f.file(secretsFile)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is gone, and without it %s cannot be opened: bring it back, or remove both and set the secrets again", path, f.file(secretsFile))
		}
		fresh := make([]byte, 32)
		rand.Read(fresh) // never fails
		err = writeOnce(path, []byte(base64.StdEncoding.EncodeToString(fresh)+"\n"))
		if err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster: its key counts
			return nil, fmt.Errorf("making the key of the vault: %w", err)
		}
		text, err = os.ReadFile(path)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if err := private(path); err != nil {
		return nil, err
	}
	key, ok := decodeVaultKey(string(text))
	if !ok {
		return nil, fmt.Errorf("%s does not hold 32 bytes in base64; bring the right file back", path)
	}
	return key, nil
}

// decodeVaultKey reads the 32 bytes that a vault is sealed with from base64.
func decodeVaultKey(text string) (key []byte, ok bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	return key, err == nil && len(key) == 32
}

// private refuses the file of a key if others than its owner may read it.
func private(path string) error {
	return ownersAlone(path, "make it private (chmod 600) and rotate the keys (postern keys rotate)")
}

// ownersAlone refuses a file that others than its owner may read. then says what to do about it.
func ownersAlone(path, then string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeDevice|fs.ModeDir) != 0 {
		return fmt.Errorf("%s is a device or a folder; name a file", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o); %s", path, info.Mode().Perm(), then)
	}
	return nil
}

// keepIssuer keeps the issuer of the sessions in the database. It depends on the port of `dev`, and the commands that
// look into the database later need it.
func (f folder) keepIssuer(issuer string) error {
	tmp, err := os.CreateTemp(string(f), issuerFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(issuer + "\n")
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), f.file(issuerFile))
	}
	return err
}

// issuer returns the issuer of the last `dev` with this folder.
func (f folder) issuer() (string, error) {
	text, err := os.ReadFile(f.file(issuerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", usagef("the folder %s does not name the issuer of its sessions: run postern dev --data %[1]s once, or give --issuer", string(f))
	}
	return strings.TrimSpace(string(text)), err
}

// writeOnce writes a whole file of mode 0600, or nothing: fs.ErrExist if the file is there.
func writeOnce(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Link(tmp.Name(), path) // unlike a rename it never replaces what is there
	}
	return err
}

// ring opens the ring of a folder, making its first key if there is none.
func (f folder) ring(ctx context.Context, c keys.RingConfig) (*keys.Ring, error) {
	vault, err := f.vault()
	if err != nil {
		return nil, err
	}
	c.Vault = vault
	return keys.Open(ctx, c)
}
