package ssmkeys_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/ssmkeys"
	"github.com/posternauth/postern/keys/vaulttest"
)

// unnumbered returns a document as a program from before the number was bound saved it, sealed.
func unnumbered(t *testing.T, path string, document []byte) string {
	t.Helper()
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	if _, err := w.Write(document); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sealer.Seal(t.Context(), body.Bytes(), "postern-ring-1 "+path)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(text))
	value, err := json.Marshal(map[string]any{"postern": 1, "for": path, "id": randText(t), "sealed": true, "sum": sum[:], "text": text})
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func (p place) remove(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := p.api.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) overwrite(t *testing.T, name, value string) {
	t.Helper()
	in := &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)}
	if _, err := p.api.PutParameter(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// later returns a document as change leaves it, in another program.
func later(t *testing.T, document []byte, now func() time.Time, change func(*keys.Ring) error) []byte {
	t.Helper()
	v := &keys.MemoryVault{}
	if _, err := v.Save(t.Context(), document, ""); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256, Logger: silent, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := change(ring); err != nil {
		t.Fatal(err)
	}
	data, _, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestUnnumberedCopy: what a program from before the number was bound rotates and revokes on top of a version with a
// number opens. A copy of a version from before does not: under the next number, under several, under one far ahead,
// and over the newest. No process believes one, and without it the ring is there.
func TestUnnumberedCopy(t *testing.T) {
	p := newPlace(t)
	now := time.Now()
	clock := func() time.Time { return now }
	v := p.vault(t, sealed, func(c *ssmkeys.Config) { c.Now = clock })
	name := func(n int) string { return fmt.Sprintf("%s/%010d", path, n) }
	load := func() []byte {
		t.Helper()
		data, _, err := p.vault(t, sealed, func(c *ssmkeys.Config) { c.Now = clock }).Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	rotate := func(r *keys.Ring) error { return r.Rotate(t.Context()) }
	refused := func(what, reason string) {
		t.Helper()
		vaulttest.Unreadable(t, v)
		if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Logger: silent}); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", what, err)
		}
	}

	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256, Now: clock, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	first := load()
	key, err := ring.SigningKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	copied := func(what string, document []byte, n int, reason string) { // above the n versions that are there
		t.Helper()
		one, two := name(n+1), name(n+2)
		p.put(t, one, unnumbered(t, path, document))
		refused(what, one+" is no successor of "+name(n)+", and was copied there: "+reason)
		p.put(t, two, unnumbered(t, path, document))
		refused(what+", twice", two+" is no successor of "+name(n)+", and was copied there: "+reason)
		p.remove(t, one, two)
	}
	now = now.Add(time.Second)
	p.put(t, name(2), unnumbered(t, path, later(t, first, clock, rotate))) // by an older program
	second := load()
	now = now.Add(time.Second)
	if err := ring.Rotate(t.Context()); err != nil { // 3
		t.Fatal(err)
	}
	third := load()
	copied("the first, without a new key", first, 3, "it lacks")
	copied("the second, without a new key", second, 3, "it lacks")
	p.put(t, name(4), unnumbered(t, path, later(t, third, clock, func(r *keys.Ring) error { return r.Revoke(t.Context(), key.Public().ID()) })))
	load()
	copied("without a revocation", third, 4, `"`+key.Public().ID()+`" is not revoked in it`)
	now = now.Add(time.Second)
	if err := ring.Rotate(t.Context()); err != nil { // 5
		t.Fatal(err)
	}
	good := p.read(t, name(5))
	another, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, name(6), unnumbered(t, path, later(t, load(), clock, func(r *keys.Ring) error { // Revoke ends an imported key
		return r.Import(t.Context(), another.Public(), now.Add(time.Hour))
	})))
	refused("an imported key", "it has the imported key")
	p.remove(t, name(6))
	older := unnumbered(t, path, third)
	p.put(t, name(9), unnumbered(t, path, load()))
	refused("far ahead", "versions are missing between "+name(5)+" and "+name(9)+": look in CloudTrail who did that, and remove "+name(9)+" if")
	p.remove(t, name(9))
	p.overwrite(t, name(5), older)
	refused("over the newest", name(5)+" was overwritten")
	p.put(t, name(6), older)
	refused("over the newest, and once more", name(5)+" was overwritten")
	p.remove(t, name(6))
	p.overwrite(t, name(5), good) // from its history
	load()
	p.put(t, name(6), "garbage")
	refused("garbage", "CloudTrail")
	p.remove(t, name(6))

	// A key that left the ring long ago does not come back. One that leaves it makes no copy.
	for range 4 {
		now = now.Add(40 * 24 * time.Hour)
		if err := ring.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept, _, err := v.Load(t.Context())
	if err != nil || bytes.Contains(kept, []byte(key.Public().ID())) {
		t.Fatal("the first key is in the ring: nothing is tested", err)
	}
	names := p.names(t, path)
	last := len(names) // of those that are swept
	for n := 1; n < 30; n++ {
		if strings.Contains(strings.Join(names, " "), name(n)) {
			last = n
		}
	}
	var with struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(first, &with); err != nil {
		t.Fatal(err)
	}
	p.put(t, name(last+1), unnumbered(t, path, bytes.Replace(kept, []byte(`"keys":[`), append([]byte(`"keys":[`), append(with.Keys[0], ',')...), 1)))
	refused("a key that left", "had left the ring")
	p.remove(t, name(last+1))
	now = now.Add(300 * 24 * time.Hour)
	p.put(t, name(last+1), unnumbered(t, path, later(t, kept, clock, rotate)))
	load()
}

// TestLastNumber: a ring under the last number opens, and a save is refused before it writes anything.
func TestLastNumber(t *testing.T) {
	p := newPlace(t)
	p.put(t, path+"/9999999999", unnumbered(t, path, []byte(`{"saved":1}`)))
	v := p.vault(t, sealed)
	for range 2 {
		data, version, err := v.Load(t.Context())
		if err != nil || string(data) != `{"saved":1}` {
			t.Fatalf("%q, %v", data, err)
		}
		if _, err := v.Save(t.Context(), []byte(`{"saved":2}`), version); err == nil || !strings.Contains(err.Error(), "the last number") {
			t.Errorf("a save: %v", err)
		}
		if names := p.names(t, path); len(names) != 1 {
			t.Errorf("it wrote %q", names)
		}
	}
}
