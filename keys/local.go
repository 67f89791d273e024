package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/posternauth/postern/internal/oneprocess"
	"github.com/posternauth/postern/store"
)

// An openingVault finds out whether a vault belongs to one process. It loads as a request on Lambda would; a vault that
// refuses is asked again as it is. A vault that is shared answers the first time, so this costs it nothing.
type openingVault struct {
	Vault
	local bool
}

func (v *openingVault) Load(ctx context.Context) (data []byte, version string, err error) {
	data, version, err = v.Vault.Load(oneprocess.Refuse(ctx))
	if isLocal(err) && !oneprocess.Refused(ctx) {
		v.local = true
		return v.Vault.Load(ctx)
	}
	return data, version, err
}

func isLocal(err error) bool { return errors.Is(err, ErrLocal) || errors.Is(err, store.ErrLocal) }

var errLocalRing = fmt.Errorf("%w: %w", ErrUnavailable, ErrLocal)

// usable returns errLocalRing where this ring is one of many, in as many processes.
func (r *Ring) usable(ctx context.Context) error {
	if r.local && oneprocess.Refused(ctx) {
		return errLocalRing
	}
	return nil
}
