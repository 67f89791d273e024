package keys

import (
	"context"
	"fmt"
	"strconv"
	"sync"
)

// A Vault keeps the one document a [Ring] consists of. It holds private keys in the clear: a Vault encrypts at rest,
// as [FileVault] does, or keeps it where that is done (a secret manager). The suite in keys/vaulttest checks a Vault.
//
// Load returns the document and its version; an empty version says that nothing was saved yet, and is no error.
//
// Save replaces the document if version still is its version (empty: if there is none), as one step that no other Save
// comes between, and returns the new version, one that was never used before. Otherwise it returns ErrConflict and
// changes nothing. A Load that starts after a Save was answered sees what was saved.
//
// The methods may be called from many goroutines, and from many processes at once.
type Vault interface {
	Load(ctx context.Context) (data []byte, version string, err error)
	Save(ctx context.Context, data []byte, version string) (newVersion string, err error)
}

// A MemoryVault keeps the ring in memory, for tests and for programs whose tokens may die with them. The zero value is
// ready. It is no place for keys where there is more than one process.
type MemoryVault struct {
	mu   sync.Mutex
	data []byte
	n    int
}

// Load returns a copy of the document.
func (v *MemoryVault) Load(ctx context.Context) (data []byte, version string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]byte(nil), v.data...), v.version(), nil
}

// Save replaces the document if version stands.
func (v *MemoryVault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if version != v.version() {
		return "", ErrConflict
	}
	v.data = append([]byte(nil), data...)
	v.n++
	return v.version(), nil
}

func (v *MemoryVault) version() string {
	if v.n == 0 {
		return ""
	}
	return strconv.Itoa(v.n)
}

// Format keeps the private keys out of logs, whatever the verb.
func (v *MemoryVault) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keys.MemoryVault") }
