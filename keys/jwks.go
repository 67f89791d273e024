package keys

import (
	"errors"
	"fmt"
	"slices"

	"github.com/posternauth/postern/internal/jose"
)

// maxSet is how many keys of a set are looked at: each costs some work, and its publisher chooses how many there are.
const maxSet = 100

// maxSetBytes and maxKeyBytes bound what is read at all. An RSA key of 8192 bits has 1.5 KiB; certificates come on top.
const (
	maxSetBytes = 512 << 10
	maxKeyBytes = 16 << 10
)

// ParseJWK reads one public key in JWK form (RFC 7517), or the shared secret of kty oct.
//
// Its alg, use and key_ops are enforced. A key without alg is for the algorithm its type has: by curve, EdDSA, HS256;
// for RSA the first RSA algorithm of algs, or RS256. With algs given, no other algorithm is accepted. The error is
// ErrWeakKey: for a key that is malformed, weak, longer than 16 KiB, for another use or algorithm, or that shows its
// private part.
func ParseJWK(data []byte, algs ...Algorithm) (*PublicKey, error) {
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("%w: a key of more than %d bytes is not read", ErrWeakKey, maxKeyBytes)
	}
	k, err := parseJWK(string(data), algs, algs)
	if err != nil && !errors.Is(err, ErrWeakKey) {
		return nil, fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	return k, err
}

// parseJWK accepts keys for the algorithms of accept only, for all if it is empty. prefer decides for an RSA key
// without alg.
func parseJWK(data string, accept, prefer []Algorithm) (*PublicKey, error) {
	j, err := readJWK(data)
	if err != nil {
		return nil, err
	}
	if j.kty == "" {
		return nil, fmt.Errorf("%w: no kty", ErrWeakKey)
	}
	if j.private {
		return nil, fmt.Errorf("%w: it shows its private part, so anyone may have it", ErrWeakKey)
	}
	alg, err := j.algorithm("verify", prefer)
	if err != nil {
		return nil, err
	}
	if len(accept) > 0 && !slices.Contains(accept, alg) {
		return nil, errUnusable
	}
	return j.public(alg)
}

// ParseJWKS reads a JWK Set (RFC 7517 section 5) of keys handed in by the caller; [Remote] fetches a published one.
//
// Members that are well formed but not for checking signatures with a known algorithm (use enc, an unknown kty or alg,
// not in algs if those are given) are left out. Everything else must be right, or the whole set is refused with
// ErrWeakKey: a malformed or weak key, two keys with one kid and one algorithm, a key without kid among several,
// private members, shared secrets together with public keys, more than 100 keys or 512 KiB, or nothing left to use. A
// key that is there twice counts once. See [ParseJWK] for the rules for each key.
func ParseJWKS(data []byte, algs ...Algorithm) ([]*PublicKey, error) {
	if len(data) > maxSetBytes {
		return nil, fmt.Errorf("%w: a set of more than %d bytes is not read", ErrWeakKey, maxSetBytes)
	}
	var keys []*PublicKey
	err := eachJWK(string(data), func(i int, value string) error {
		k, err := parseJWK(value, algs, algs)
		switch {
		case errors.Is(err, errUnusable):
			return nil
		case err != nil:
			return fmt.Errorf("key %d of the set: %w", i, err)
		}
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: the set has no key to check signatures with", ErrWeakKey)
	}
	set, err := newKeySet(keys)
	if err != nil {
		return nil, err
	}
	return set.keys, nil
}

// eachJWK calls fn for each member of the set's keys, numbered from 0.
func eachJWK(data string, fn func(i int, value string) error) error {
	list, found := "", false
	err := jose.Object(data, func(name, value string) error {
		if name == "keys" {
			list, found = value, true
		}
		return nil
	})
	if err == nil && !found {
		err = errors.New("no member keys")
	}
	if err != nil {
		return fmt.Errorf("%w: not a JWK Set: %w", ErrWeakKey, err)
	}
	i := 0
	err = jose.Array(list, func(value string) error {
		if i == maxSet {
			return fmt.Errorf("a set of more than %d keys is not read", maxSet)
		}
		i++
		return fn(i-1, value)
	})
	if err != nil && !errors.Is(err, ErrWeakKey) {
		return fmt.Errorf("%w: %w", ErrWeakKey, err)
	}
	return err
}
