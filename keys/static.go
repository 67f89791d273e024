package keys

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// keySet finds keys by kid.
type keySet struct {
	byID map[string]*PublicKey
	only *PublicKey // the only key, if there is one
}

// newKeySet refuses sets in which a kid is ambiguous: named twice, or missing where there are several keys. It also
// refuses sets that mix shared secrets with public keys: what one side may publish the other must hide.
func newKeySet(keys []*PublicKey) (*keySet, error) {
	set := &keySet{byID: make(map[string]*PublicKey, len(keys))}
	for _, k := range keys {
		switch {
		case k == nil:
			return nil, fmt.Errorf("%w: a nil key", ErrWeakKey)
		case set.byID[k.id] != nil:
			return nil, fmt.Errorf("%w: kid %q is given twice", ErrWeakKey, k.id)
		case k.id == "" && len(keys) > 1:
			return nil, fmt.Errorf("%w: a key without a kid among several cannot be found", ErrWeakKey)
		case k.alg.symmetric() != keys[0].alg.symmetric():
			return nil, fmt.Errorf("%w: shared secrets and public keys in one set", ErrWeakKey)
		}
		set.byID[k.id] = k
	}
	if len(keys) == 1 {
		set.only = keys[0]
	}
	return set, nil
}

func (s *keySet) find(kid string) (*PublicKey, bool) {
	if s.only != nil {
		return s.only, kid == "" || s.only.id == "" || s.only.id == kid
	}
	k, ok := s.byID[kid]
	return k, ok && kid != ""
}

// Static is a Verifier over keys handed in by the caller.
//
// kids must differ. A key without a kid must be the only one: it answers for any kid, so that a certificate or PEM file
// can be used without knowing what the issuer calls it. The Verifier also has the PublicKeys of a [Signer], so that a
// program that only checks tokens can publish the keys it checks with; shared secrets are never among them. The error is
// ErrWeakKey if the keys do not make a set.
func Static(keys ...*PublicKey) (Verifier, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no keys given", ErrWeakKey)
	}
	set, err := newKeySet(keys)
	if err != nil {
		return nil, err
	}
	return staticVerifier{set, publishable(keys)}, nil
}

type staticVerifier struct {
	set    *keySet
	public []*PublicKey
}

func (v staticVerifier) PublicKey(_ context.Context, kid string) (*PublicKey, error) {
	if k, ok := v.set.find(kid); ok {
		return k, nil
	}
	return nil, ErrUnknownKey
}

func (v staticVerifier) PublicKeys(context.Context) ([]*PublicKey, error) {
	return slices.Clone(v.public), nil
}

// StaticSigner is a Signer that signs with one key handed in by the caller; also are further keys that verify and are
// published, such as the one that signed before or the one that will sign next. Errors as [Static].
func StaticSigner(signing SigningKey, also ...*PublicKey) (Signer, error) {
	if signing == nil {
		return nil, fmt.Errorf("%w: no signing key given", ErrWeakKey)
	}
	public := append([]*PublicKey{signing.Public()}, also...)
	set, err := newKeySet(public)
	if err != nil {
		return nil, err
	}
	return &staticSigner{staticVerifier{set, publishable(public)}, signing}, nil
}

type staticSigner struct {
	staticVerifier
	signing SigningKey
}

func (s *staticSigner) SigningKey(context.Context, time.Duration) (SigningKey, error) {
	return s.signing, nil
}

func publishable(keys []*PublicKey) []*PublicKey {
	out := make([]*PublicKey, 0, len(keys))
	for _, k := range keys {
		if !k.alg.symmetric() {
			out = append(out, k)
		}
	}
	return out
}
