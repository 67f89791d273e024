package keys

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Join returns a [Signer] that signs with the first and verifies and publishes the keys of all: for a change from a
// ring to keys of KMS, or back, while tokens that the other signed are alive. Where several have a key with the same
// kid, the first one's is used.
func Join(signs Signer, also ...Signer) Signer { return joined(append([]Signer{signs}, also...)) }

type joined []Signer

func (j joined) SigningKey(ctx context.Context, lifetime time.Duration) (SigningKey, error) {
	return j[0].SigningKey(ctx, lifetime)
}

// PublicKey asks one after the other. One that is unavailable makes an unknown key unavailable.
func (j joined) PublicKey(ctx context.Context, kid string) (*PublicKey, error) {
	if kid == "" {
		return nil, ErrUnknownKey // a token without kid chooses none of several sets
	}
	unknown := ErrUnknownKey
	for _, s := range j {
		k, err := s.PublicKey(ctx, kid)
		switch {
		case err == nil:
			return k, nil
		case !errors.Is(err, ErrUnknownKey):
			unknown = err
		case errors.Is(err, ErrRetired) && errors.Is(unknown, ErrUnknownKey):
			unknown = err
		}
	}
	return nil, unknown
}

func (j joined) PublicKeys(ctx context.Context) ([]*PublicKey, error) {
	var all []*PublicKey
	for _, s := range j {
		list, err := s.PublicKeys(ctx)
		if err != nil {
			return nil, fmt.Errorf("keys: the keys to publish: %w", err)
		}
		for _, k := range list {
			if k.twinIn(all) == nil {
				all = append(all, k)
			}
		}
	}
	return all, nil
}
