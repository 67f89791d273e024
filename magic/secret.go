package magic

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// Purposes of the keys that protect what this package keeps and hands out. One is never good for another.
const (
	forTag     = "magic/tag"     // where the mails of an address are
	forAccount = "magic/account" // what the limits of an address count
	forLink    = "magic/link"
	forCode    = "magic/code"
	forLetter  = "magic/letter"
	forDevice  = "magic/device"
)

// mac is the keyed hash of the parts. Issuer and provider are always among them: what one provider sends opens nothing
// at another.
func (h *handler) mac(ctx context.Context, purpose string, parts ...string) (string, error) {
	return seal.MAC(ctx, h.flow.Sessions().Secrets(), purpose, h.bound(parts)...)
}

func (h *handler) bound(parts []string) []string {
	return append([]string{h.flow.Sessions().Issuer(), h.flow.Name()}, parts...)
}

// opens reports whether a MAC in a slot is that of the parts. An error says that it could not be found out.
func (h *handler) opens(ctx context.Context, purpose, mac string, parts ...string) (bool, error) {
	err := seal.CheckMAC(ctx, h.flow.Sessions().Secrets(), purpose, mac, h.bound(parts)...)
	if errors.Is(err, seal.ErrOpen) {
		return false, nil
	}
	return err == nil, err
}

// tag names the place of an address in the store. It goes into links; without the master secret it tells nothing.
func (h *handler) tag(ctx context.Context, address string) (string, error) {
	mac, err := h.mac(ctx, forTag, address)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(mac))
	return base64.RawURLEncoding.EncodeToString(sum[:tagSize]), nil
}

// account is what the limits of an address count. All providers of the issuer share it, so that a second one does not
// double the guesses.
func (h *handler) account(ctx context.Context, address string) (string, error) {
	return seal.MAC(ctx, h.flow.Sessions().Secrets(), forAccount, h.flow.Sessions().Issuer(), address)
}

// hash is for values of 128 random bits and more: what the store keeps instead of them.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:tagSize])
}

func (h *handler) sealLetter(ctx context.Context, k store.Key, flow string, l letter) (string, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("magic: writing a slot: %w", err)
	}
	return seal.Seal(ctx, h.flow.Sessions().Secrets(), forLetter, plain, h.bound([]string{k.Part, k.ID, flow})...)
}

// openLetter never fails on what a request says: what does not open was written by another provider, or is damaged.
func (h *handler) openLetter(ctx context.Context, k store.Key, flow, sealed string) (letter, error) {
	plain, err := seal.Open(ctx, h.flow.Sessions().Secrets(), forLetter, sealed, h.bound([]string{k.Part, k.ID, flow})...)
	if errors.Is(err, seal.ErrOpen) {
		return letter{}, errNotFound
	}
	if err != nil {
		return letter{}, err
	}
	var l letter
	if err := json.Unmarshal(plain, &l); err != nil {
		return letter{}, fmt.Errorf("magic: a slot in the store is damaged: %w", err)
	}
	return l, nil
}
