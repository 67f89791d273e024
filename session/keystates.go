package session

import (
	"context"

	"github.com/posternauth/postern/keys"
)

// KeyStates returns the states of the signing keys and of the master secrets of Config.Keys, if that is a keys.Ring:
// see [keys.Ring.Keys]. Neither has anything secret. The error is ErrNoSigner for other keys, and else that of the
// ring.
func (s *Sessions) KeyStates(ctx context.Context) (signing, secrets []keys.KeyInfo, err error) {
	ring, ok := s.keys.(interface {
		Keys(ctx context.Context) ([]keys.KeyInfo, error)
		MasterSecrets(ctx context.Context) ([]keys.KeyInfo, error)
	})
	if !ok {
		return nil, nil, ErrNoSigner
	}
	if signing, err = ring.Keys(ctx); err == nil {
		secrets, err = ring.MasterSecrets(ctx)
	}
	return signing, secrets, err
}
