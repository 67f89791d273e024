package keys

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
)

// A Secret is one master secret. It is never used directly: Derive makes a key of each purpose.
type Secret struct {
	ID     string     // the kid that values made with it carry: no dot in it
	master **[32]byte // behind two pointers: printing what holds a Secret follows one with some verbs
}

// NewSecret makes a Secret of 32 random bytes, for those who keep master secrets elsewhere than in a [Ring]. id is not
// empty, at most 64 bytes, and of letters, digits, - and _ only.
func NewSecret(id string, master []byte) (Secret, error) {
	if id == "" || len(id) > 64 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return Secret{}, fmt.Errorf("%w: a secret's id is 1 to 64 letters, digits, - or _", ErrWeakKey)
	}
	if len(master) != 32 || [32]byte(master) == [32]byte{} {
		return Secret{}, fmt.Errorf("%w: a master secret is 32 random bytes", ErrWeakKey)
	}
	m := (*[32]byte)(append([]byte(nil), master...))
	return Secret{ID: id, master: &m}, nil
}

// Derive returns a 32-byte key for one purpose (HKDF-SHA256, RFC 5869, the purpose as info). The zero Secret has
// nothing to derive from: that is a mistake in the program, and Derive panics.
func (s Secret) Derive(purpose string) []byte {
	if s.master == nil {
		panic("keys: Derive of the zero Secret")
	}
	key, err := hkdf.Key(sha256.New, (*s.master)[:], nil, purpose, 32)
	if err != nil { // only for lengths out of range
		panic("keys: " + err.Error())
	}
	return key
}

// Format keeps the secret out of logs, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keys.Secret(%q)", s.ID) }

type staticSecrets []Secret

// StaticSecrets returns Secrets that never change. The first one protects new values; all of them open old ones. To
// replace a secret, put the new one in front, and remove the old one when no value made with it is still valid.
func StaticSecrets(secrets ...Secret) (Secrets, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("keys: StaticSecrets needs at least one secret")
	}
	seen := make(map[string]bool, len(secrets))
	for _, s := range secrets {
		if s.master == nil || seen[s.ID] {
			return nil, fmt.Errorf("%w: secret %q is empty or given twice", ErrWeakKey, s.ID)
		}
		seen[s.ID] = true
	}
	return staticSecrets(append([]Secret{}, secrets...)), nil
}

func (list staticSecrets) Secret(_ context.Context, kid string) (Secret, error) {
	for _, s := range list {
		if kid == "" || s.ID == kid {
			return s, nil
		}
	}
	return Secret{}, ErrUnknownKey
}
