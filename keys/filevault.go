package keys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/filelock"
	"github.com/posternauth/postern/internal/oneprocess"
	"github.com/posternauth/postern/internal/regular"
)

// A FileVault keeps the ring in one file, always encrypted by Sealer. The file is 0600 and replaced as a whole (written
// beside, synced, renamed), so that a crash leaves the old or the new one. Saves of
// many processes exclude each other by a lock on Path+".lock", which the system releases when its holder dies.
//
// It is for one machine and a local file system: locks and renames on network file systems are not to be relied on. On
// Lambda a file below /tmp belongs to one process, and a FileVault there returns [ErrLocal] below a request.
type FileVault struct {
	Path   string // of the file. Its folder must exist
	Sealer Sealer // encrypts the file: MasterKey, or a kmskeys.Sealer
}

// fileMagic begins the file, names its format, and is authenticated with the rest.
const fileMagic = "postern-vault-1\n"

const maxVaultFile = 1 << 20

// Load reads and opens the file. A file that others than its owner may read is refused: what was in it must be taken as
// known, so make it private and rotate.
func (v FileVault) Load(ctx context.Context) (data []byte, version string, err error) {
	if err := v.usable(ctx); err != nil {
		return nil, "", err
	}
	raw, version, err := v.read()
	if err != nil || version == "" {
		return nil, "", err
	}
	if len(raw) < len(fileMagic) || string(raw[:len(fileMagic)]) != fileMagic {
		return nil, "", fmt.Errorf("keys: %s is not a vault file", v.Path)
	}
	data, err = v.Sealer.Open(ctx, raw[len(fileMagic):], fileMagic)
	switch {
	case errors.Is(err, ErrSealed):
		return nil, "", fmt.Errorf("keys: %s cannot be opened: it is damaged, or sealed under another key", v.Path)
	case err != nil:
		return nil, "", fmt.Errorf("keys: opening %s: %w", v.Path, err)
	}
	return data, version, nil
}

// Save replaces the file if version stands.
func (v FileVault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	if err := v.usable(ctx); err != nil {
		return "", err
	}
	unlock, err := lockFile(ctx, v.Path+".lock")
	if err != nil {
		return "", fmt.Errorf("keys: locking %s: %w", v.Path, err)
	}
	defer unlock()
	switch _, current, err := v.read(); {
	case err != nil:
		return "", err
	case current != version:
		return "", ErrConflict
	}
	sealed, err := v.Sealer.Seal(ctx, data, fileMagic)
	if err != nil {
		return "", fmt.Errorf("keys: sealing %s: %w", v.Path, err)
	}
	raw := append([]byte(fileMagic), sealed...)
	if len(raw) > maxVaultFile {
		return "", fmt.Errorf("keys: the ring is too large for %s: %d bytes when sealed, at most %d; rotate less often, since keys leave the ring when they retire",
			v.Path, len(raw), maxVaultFile)
	}
	if err := replaceFile(v.Path, raw); err != nil {
		return "", fmt.Errorf("keys: saving the vault: %w", err)
	}
	return fileVersion(raw), nil
}

// usable returns why the vault must not answer: it is not set up, the caller has gone, or each of many processes has a
// separate file.
func (v FileVault) usable(ctx context.Context) error {
	if v.Path == "" {
		return errors.New("keys: FileVault needs a Path")
	}
	if err := checkSealer(v.Sealer, "FileVault"); err != nil {
		return err
	}
	if oneprocess.Refused(ctx) && temporary(v.Path) {
		return ErrLocal
	}
	return ctx.Err()
}

// temporary reports whether a file lies in a folder that only one process of a function has. It follows symbolic links.
func temporary(path string) bool {
	file, err := filepath.Abs(path)
	if err != nil {
		return false // Load fails as well
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	} else if folder, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(folder, filepath.Base(file))
	}
	for _, root := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		if real, err := filepath.EvalSymlinks(root); err == nil {
			root = real
		}
		if strings.HasPrefix(file, root+"/") {
			return true
		}
	}
	return false
}

// Format keeps the key out of logs, whatever the verb.
func (v FileVault) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keys.FileVault(%q)", v.Path) }

// fileVersion is the content itself, hashed: the nonce makes each sealing of it a new one.
func fileVersion(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

func (v FileVault) read() (raw []byte, version string, err error) {
	f, info, err := regular.Open(v.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case errors.Is(err, regular.Err):
		return nil, "", fmt.Errorf("keys: %w: find out who put it there, and restore the ring", err)
	case err != nil:
		return nil, "", fmt.Errorf("keys: reading the vault: %w", err)
	}
	defer f.Close()
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // Windows has no such bits
		return nil, "", fmt.Errorf("keys: %s is open to other users (mode %#o): run chmod 600 on it, then rotate its keys",
			v.Path, info.Mode().Perm())
	}
	raw, err = io.ReadAll(io.LimitReader(f, maxVaultFile+1))
	if err != nil {
		return nil, "", fmt.Errorf("keys: reading the vault: %w", err)
	}
	if len(raw) > maxVaultFile {
		return nil, "", fmt.Errorf("keys: %s is larger than a vault can be", v.Path)
	}
	return raw, fileVersion(raw), nil
}

// replaceFile puts data in place of path: after a crash there is the old file or the new one. The caller holds the
// lock, so the file beside it is a leftover if it exists.
func replaceFile(path string, data []byte) (err error) {
	beside := path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil || runtime.GOOS == "windows" { // where a folder cannot be synced
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// lockFile takes the lock named path, for this process and all others, waiting until ctx ends.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wait := time.Millisecond
	for {
		unlock, busy, err := filelock.Try(path)
		if !busy {
			return unlock, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, 50*time.Millisecond)
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}
