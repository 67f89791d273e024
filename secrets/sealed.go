package secrets

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/keys"
)

// Sealed is an Editor that keeps all values in one document of a vault: a keys.FileVault on the machine of a developer,
// or a keys.StoreVault in a database. The vault seals the document as a whole. Each value stands in it under its key,
// so a document of another vault, or a value under another key, is never taken for it.
type Sealed struct {
	// Vault keeps the document. It is another one than that of a keys.Ring. Required.
	Vault keys.Vault

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

const sealedFormat = "postern-secrets-1"

type sealedDocument struct {
	Format string                 `json:"format"`
	Values map[string]sealedValue `json:"values"` // by Key.scope
}

type sealedValue struct {
	Key     Key       `json:"key"`
	Value   string    `json:"value"`
	Changed time.Time `json:"changed"`
}

// Lookup returns the values that the document has. Errors are those of the vault, and of a document of another kind.
func (s Sealed) Lookup(ctx context.Context, all []Key) (map[Key]string, error) {
	document, _, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	found := map[Key]string{}
	for _, key := range all {
		if err := key.Check(); err != nil {
			return nil, err
		}
		if v, ok := document.Values[key.scope()]; ok {
			found[key] = v.Value
		}
	}
	return found, nil
}

// Set sets the value of a key.
func (s Sealed) Set(ctx context.Context, key Key, value string) error {
	if err := errors.Join(key.Check(), CheckValue(value)); err != nil {
		return err
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	return s.edit(ctx, func(d *sealedDocument) error {
		d.Values[key.scope()] = sealedValue{key, value, now().UTC()}
		return nil
	})
}

// Remove removes the value of a key. A key without one is an ErrMissing.
func (s Sealed) Remove(ctx context.Context, key Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	return s.edit(ctx, func(d *sealedDocument) error {
		if _, ok := d.Values[key.scope()]; !ok {
			return fmt.Errorf("%w for %s", ErrMissing, key)
		}
		delete(d.Values, key.scope())
		return nil
	})
}

// List returns the keys of an application and a stage that have a value.
func (s Sealed) List(ctx context.Context, app, stage string) ([]Entry, error) {
	document, _, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, v := range document.Values {
		if v.Key.App == app && v.Key.Stage == stage {
			list = append(list, Entry{v.Key, v.Changed})
		}
	}
	Sort(list)
	return list, nil
}

// Sort sorts a list by name, and secrets before parameters of the same name.
func Sort(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Key.Name, b.Key.Name), -cmp.Compare(a.Key.Kind, b.Key.Kind))
	})
}

// edit changes the document. If another process was faster, the change is made again in what that one wrote.
func (s Sealed) edit(ctx context.Context, change func(*sealedDocument) error) error {
	for {
		document, version, err := s.load(ctx)
		if err != nil {
			return err
		}
		if err := change(document); err != nil {
			return err
		}
		data, err := json.Marshal(document)
		if err != nil {
			return fmt.Errorf("secrets: %w", err)
		}
		if _, err = s.Vault.Save(ctx, data, version); !errors.Is(err, keys.ErrConflict) {
			return err
		}
	}
}

func (s Sealed) load(ctx context.Context) (*sealedDocument, string, error) {
	data, version, err := s.Vault.Load(ctx)
	if err != nil {
		return nil, "", err
	}
	document := &sealedDocument{Format: sealedFormat, Values: map[string]sealedValue{}}
	if version == "" {
		return document, "", nil
	}
	if err := json.Unmarshal(data, document); err != nil || document.Format != sealedFormat || document.Values == nil {
		return nil, "", errors.New("secrets: the vault has a document of another kind")
	}
	for scope, v := range document.Values {
		if v.Key.Check() != nil || v.Key.scope() != scope || CheckValue(v.Value) != nil {
			return nil, "", errors.New("secrets: the document of the vault is damaged")
		}
	}
	return document, version, nil
}
