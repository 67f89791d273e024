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

// folder is a data folder: the sealed key ring, the key it is sealed with, and the database of `dev`.
type folder string

// Files of a data folder.
const (
	vaultFile    = "keys.vault"
	vaultKeyFile = "vault.key"
	databaseFile = "postern.db"
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

// hasKeys tells whether the folder holds a ring.
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
	return keys.FileVault{Path: f.file(vaultFile), Key: key}, nil
}

// vaultKey reads the 32 bytes the ring is sealed with. They lie beside it, so they protect a copy of the one file (a
// backup, a commit by mistake), not the folder: whoever can read the folder can sign.
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
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s does not hold 32 bytes in base64; bring the right file back", path)
	}
	return key, nil
}

// private refuses a file that others than its owner may read.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o); make it private (chmod 600) and rotate the keys (postern keys new)", path, info.Mode().Perm())
	}
	return nil
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
