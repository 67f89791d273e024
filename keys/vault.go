package keys

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/posternauth/postern/internal/oneprocess"
)

// A Vault keeps the document of a [Ring]. The document has private keys without encryption. So a Vault must encrypt
// it with a [Sealer], as [FileVault] and [StoreVault] do, or keep it in a place that encrypts (a secret
// manager). The test suite in keys/vaulttest checks a Vault.
//
// Load returns the document and its version; an empty version says that nothing was saved yet, and is no error.
//
// Save replaces the document if its version is still version; an empty version means that there is no document yet. The
// check and the replacement are one atomic step. Save returns the new version, which was never used before. If the
// version is another one, Save returns ErrConflict and changes nothing. A Load that starts after a Save was answered
// sees what was saved. Any other error of Save leaves open whether the document was replaced.
//
// An error never means that the vault is empty, and a document that was damaged is an error. A vault keeps documents of
// 60 KiB at least, never forgets one, and holds no slice of a caller longer than the call.
//
// A vault that keeps old versions can have a method Sweep(context.Context) error that removes those out of use. A Ring
// calls it in RotateOlder, and logs its error.
//
// The methods may be called from many goroutines, and from many processes at once.
type Vault interface {
	Load(ctx context.Context) (data []byte, version string, err error)
	Save(ctx context.Context, data []byte, version string) (newVersion string, err error)
}

// A MemoryVault keeps the ring in memory, for tests and for programs whose tokens need not outlive the process. The
// zero value is ready. Do not use it with more than one process. On Lambda it returns [ErrLocal] below a request.
type MemoryVault struct {
	mu   sync.Mutex
	data []byte
	n    int
}

// Load returns a copy of the document.
func (v *MemoryVault) Load(ctx context.Context) (data []byte, version string, err error) {
	if err := usable(ctx); err != nil {
		return nil, "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]byte(nil), v.data...), v.version(), nil
}

// Save replaces the document if version stands.
func (v *MemoryVault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	if err := usable(ctx); err != nil {
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

// usable returns why memory must not be used: this process is one of many, or the caller has gone.
func usable(ctx context.Context) error {
	if oneprocess.Refused(ctx) {
		return ErrLocal
	}
	return ctx.Err()
}

func (v *MemoryVault) version() string {
	if v.n == 0 {
		return ""
	}
	return strconv.Itoa(v.n)
}

// Format keeps the private keys out of logs, whatever the verb.
func (v *MemoryVault) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keys.MemoryVault") }
