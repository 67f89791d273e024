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

// Purposes of the keys that protect what this package keeps and hands out. A value of one purpose fails for another.
const (
	forTag    = "magic/tag" // the place of an address in the store
	forLink   = "magic/link"
	forCode   = "magic/code"
	forSlot   = "magic/slot"
	forDevice = "magic/device"
)

// mac is the keyed hash of the parts. Issuer and provider are always among them, so that a link or code of one provider
// opens nothing at another.
func (h *handler) mac(ctx context.Context, purpose string, parts ...string) (string, error) {
	return seal.MAC(ctx, h.flow.Sessions().Secrets(), purpose, h.bound(parts)...)
}

func (h *handler) bound(parts []string) []string {
	return append([]string{h.flow.Sessions().Issuer(), h.flow.Name()}, parts...)
}

// opens reports whether a MAC in a slot is that of the parts. An error means that it could not be checked.
func (h *handler) opens(ctx context.Context, purpose, mac string, parts ...string) (bool, error) {
	err := seal.CheckMAC(ctx, h.flow.Sessions().Secrets(), purpose, mac, h.bound(parts)...)
	if errors.Is(err, seal.ErrOpen) {
		return false, nil
	}
	return err == nil, err
}

// tag names the place of an address in the store: its mails and its limits. All providers of the issuer share it, so
// that a second one does not double the guesses. It goes into links; without the master secret it reveals nothing.
func (h *handler) tag(ctx context.Context, address string) (string, error) {
	mac, err := seal.MAC(ctx, h.flow.Sessions().Secrets(), forTag, h.flow.Sessions().Issuer(), address)
	if err != nil {
		return "", err
	}
	return hash(mac), nil
}

// hash is what the store keeps instead of values that have 128 random bits or more.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:tagSize])
}

func (h *handler) sealPart(ctx context.Context, k store.Key, flow string, l sealedPart) (string, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("magic: writing a slot: %w", err)
	}
	return seal.Seal(ctx, h.flow.Sessions().Secrets(), forSlot, plain, h.bound([]string{k.Part, k.ID, flow})...)
}

// openPart opens the sealed part of a slot. One that does not open was written by another provider, or is damaged.
func (h *handler) openPart(ctx context.Context, k store.Key, flow, sealed string) (sealedPart, error) {
	plain, err := seal.Open(ctx, h.flow.Sessions().Secrets(), forSlot, sealed, h.bound([]string{k.Part, k.ID, flow})...)
	if errors.Is(err, seal.ErrOpen) {
		return sealedPart{}, errNotFound
	}
	if err != nil {
		return sealedPart{}, err
	}
	var l sealedPart
	if err := json.Unmarshal(plain, &l); err != nil {
		return sealedPart{}, fmt.Errorf("magic: a slot in the store is damaged: %w", err)
	}
	return l, nil
}
