package keys

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// A snapshot is the ring at one version of the vault and in one stretch of time, ready to be asked. It is immutable.
type snapshot struct {
	version string
	doc     *document
	local   map[string]*localKey // parsed once, by kid; those with a private part
	master  map[string]Secret

	imported []importedKey

	from, until time.Time // while this holds; until is zero if nothing changes by time alone
	public      map[string]*PublicKey
	only        *PublicKey
	published   []*PublicKey
	signer      SigningKey // nil if there is none
	longest     time.Duration
	secrets     map[string]Secret
	secret      string // kid of the one for new values
}

// newSnapshot parses the keys of doc, except for those that old has already. It holds for no time yet: see at.
func newSnapshot(doc *document, version string, old *snapshot) (*snapshot, error) {
	s := &snapshot{
		version: version, doc: doc,
		local:  make(map[string]*localKey, len(doc.Keys)),
		master: make(map[string]Secret, len(doc.Secrets)),
	}
	for _, e := range doc.Keys {
		if e.Private == nil || !e.Revoked.IsZero() {
			continue
		}
		if old != nil && old.local[e.ID] != nil {
			s.local[e.ID] = old.local[e.ID]
			continue
		}
		key, err := parseEntry(e)
		if err != nil {
			return nil, fmt.Errorf("keys: key %q of the vault: %w", e.ID, err)
		}
		s.local[e.ID] = key
	}
	for _, e := range doc.Secrets {
		if e.Private == nil || !e.Revoked.IsZero() {
			continue
		}
		secret, err := NewSecret(e.ID, e.Private)
		if err != nil {
			return nil, fmt.Errorf("keys: secret %q of the vault: %w", e.ID, err)
		}
		s.master[e.ID] = secret
	}
	for _, e := range doc.Imported {
		key, err := e.parse()
		if err != nil {
			return nil, fmt.Errorf("keys: the imported key %q of the vault: %w", e.ID, err)
		}
		s.imported = append(s.imported, importedKey{key, e.Until})
	}
	return s, nil
}

func parseEntry(e entry) (*localKey, error) {
	private, err := x509.ParsePKCS8PrivateKey(e.Private)
	if err != nil {
		return nil, fmt.Errorf("%w: not PKCS #8", ErrWeakKey)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: not a signing key", ErrWeakKey)
	}
	return newLocalKey(signer, e.Algorithm, e.ID)
}

func (s *snapshot) covers(now time.Time) bool {
	return !now.Before(s.from) && (s.until.IsZero() || now.Before(s.until))
}

// at returns the snapshot of the same version for another time.
func (s *snapshot) at(now time.Time) *snapshot {
	n := &snapshot{version: s.version, doc: s.doc, local: s.local, master: s.master, imported: s.imported, from: now}

	states, signer, until := plan(s.doc.Keys, now)
	n.until = until
	n.public = make(map[string]*PublicKey, len(states))
	for i, e := range s.doc.Keys {
		if key := s.local[e.ID]; key != nil && states[i].verifies() {
			n.public[e.ID] = key.public
			n.published = append(n.published, key.public)
			if i == signer {
				n.signer, n.longest = key, e.Longest
			}
		}
	}
	if len(n.published) == 1 {
		n.only = n.published[0]
	}

	states, signer, until = plan(s.doc.Secrets, now)
	if !until.IsZero() && (n.until.IsZero() || until.Before(n.until)) {
		n.until = until
	}
	n.secrets = make(map[string]Secret, len(states))
	for i, e := range s.doc.Secrets {
		if secret := s.master[e.ID]; secret.master != nil && states[i].verifies() {
			n.secrets[e.ID] = secret
			if i == signer {
				n.secret = e.ID
			}
		}
	}
	return n
}

func (s *snapshot) findKey(kid string) (*PublicKey, bool) {
	if kid == "" {
		return s.only, s.only != nil
	}
	k, ok := s.public[kid]
	return k, ok
}

func (s *snapshot) findSecret(kid string) (Secret, bool) {
	if kid == "" {
		kid = s.secret
	}
	v, ok := s.secrets[kid]
	return v, ok
}

// lists reports whether an entry has this kid, in whatever state.
func lists(entries []entry, kid string) bool {
	return slices.ContainsFunc(entries, func(e entry) bool { return e.ID == kid })
}

// secretLifetime is the shortest Longest of the secrets in use.
func (s *snapshot) secretLifetime() time.Duration {
	shortest := time.Duration(-1)
	for _, e := range s.doc.Secrets {
		if _, ok := s.secrets[e.ID]; ok && (shortest < 0 || e.Longest < shortest) {
			shortest = e.Longest
		}
	}
	return shortest
}
