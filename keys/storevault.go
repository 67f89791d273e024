package keys

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/posternauth/postern/store"
)

// A StoreVault keeps the ring as one item of a [store.Store], for functions and servers that share a database. The item
// is always encrypted by Sealer, bound to its place, so that an item which was moved there from another name does not
// open. It never expires.
//
// A ring of about 190 KB fits, on every engine. Save returns an error for a larger one.
//
// A database can be set back to an older state. A [Ring] in memory keeps what it knows: a key that it has seen
// revoked stays revoked in that process, whatever is loaded later. A process that starts later sees the older ring,
// so after a restore revoke the key again, and set session.Config.NotBefore.
type StoreVault struct {
	// Store keeps the ring: that of the sessions, or another one. With a store.Memory every process has a ring of its
	// own. Required.
	Store store.Store

	// Sealer encrypts the ring: MasterKey, or a kmskeys.Sealer. Required.
	Sealer Sealer

	// Name is the name of the ring in the store. Programs with the same Store, Sealer and Name share a ring. Give each
	// issuer a name, if several of them share a store.
	//
	// Defaults to "main".
	Name string
}

// storeFormat is the format of the item, and part of what the seal is bound to.
const storeFormat = "postern-ring-1"

// sealedRing is the value of the item.
type sealedRing struct {
	Format string `json:"format"`
	Sealed []byte `json:"sealed"` // nonce, ciphertext and tag
}

// Load reads the item and opens it. An item that does not open is an error, and never an empty vault.
func (v StoreVault) Load(ctx context.Context) (data []byte, version string, err error) {
	if err := v.check(); err != nil {
		return nil, "", err
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	place := v.place()
	items, err := v.Store.Get(ctx, place)
	if err != nil {
		return nil, "", v.failed("reading", err)
	}
	if len(items) == 0 {
		return nil, "", nil
	}
	var value sealedRing
	if err := json.Unmarshal(items[0].Value, &value); err != nil || value.Format != storeFormat || items[0].Version == "" {
		return nil, "", fmt.Errorf("keys: the store's item for the ring %q is not a ring: give StoreVault another Name, or restore the item", v.name())
	}
	data, err = v.Sealer.Open(ctx, value.Sealed, boundTo(place))
	switch {
	case errors.Is(err, ErrSealed):
		return nil, "", fmt.Errorf("keys: the ring %q in the store does not open: it is sealed under another key than that of StoreVault.Sealer, or damaged, or was moved there", v.name())
	case err != nil:
		return nil, "", v.failed("opening", err)
	}
	return data, items[0].Version, nil
}

// Save replaces the item if version stands. If the store's answer is lost, it reads the item and compares versions.
func (v StoreVault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	if err := v.check(); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	place := v.place()
	sealed, err := v.Sealer.Seal(ctx, data, boundTo(place))
	if err != nil {
		return "", v.failed("sealing", err)
	}
	value, err := json.Marshal(sealedRing{storeFormat, sealed})
	if err != nil {
		return "", fmt.Errorf("keys: encoding the ring: %w", err)
	}
	if len(value) > store.MaxValue {
		return "", fmt.Errorf("keys: the ring %q is too large: %d bytes when sealed, and an item has at most %d; rotate less often, since keys leave the ring when they retire",
			v.name(), len(value), store.MaxValue)
	}
	put := store.Put(store.Item{Key: place, Value: value, Version: version})
	err = v.Store.Write(ctx, put)
	switch {
	case err == nil:
		return put.Item.Version, nil
	case errors.Is(err, store.ErrConflict):
		return "", ErrConflict
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrLocal), ctx.Err() != nil:
		return "", v.failed("saving", err)
	}
	// Any other error leaves open whether the item was written.
	if items, failed := v.Store.Get(ctx, place); failed == nil && len(items) == 1 && items[0].Version == put.Item.Version {
		return put.Item.Version, nil
	}
	return "", v.failed("saving", err)
}

// Format keeps the key out of logs, whatever the verb.
func (v StoreVault) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keys.StoreVault(%q)", v.name()) }

func (v StoreVault) name() string {
	if v.Name == "" {
		return "main"
	}
	return v.Name
}

func (v StoreVault) place() store.Key { return store.Key{Part: "keys:" + v.name(), ID: "ring"} }

func (v StoreVault) check() error {
	if v.Store == nil {
		return errors.New("keys: StoreVault needs a Store")
	}
	return checkSealer(v.Sealer, "StoreVault")
}

func (v StoreVault) failed(what string, err error) error {
	if errors.Is(err, store.ErrLocal) {
		return ErrLocal
	}
	return fmt.Errorf("keys: %s the ring %q of the store: %w", what, v.name(), err)
}

// boundTo is the place of an item for its seal: format and place. Each part follows its length, so different places
// differ.
func boundTo(place store.Key) string {
	var out []byte
	for _, part := range []string{storeFormat, place.Part, place.ID} {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return string(out)
}
