package ssmkeys_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/ssmkeys"
	"github.com/posternauth/postern/keys/vaulttest"
)

// put makes a parameter, and read returns one.
func (p place) put(t *testing.T, name, value string) {
	t.Helper()
	in := &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString}
	if _, err := p.api.PutParameter(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (p place) read(t *testing.T, name string) string {
	t.Helper()
	out, err := p.api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Parameter.Value)
}

// TestCopiedNumber: an older version of the ring that was copied to a later number, or over another one, does not
// open, and a process that starts does not believe it. Without the copy the ring is there.
func TestCopiedNumber(t *testing.T) {
	p := newPlace(t)
	for name, seals := range map[string]func(*ssmkeys.Config){"sealed": sealed, "encrypted by SSM": func(*ssmkeys.Config) {}} {
		t.Run(name, func(t *testing.T) {
			at := "/copies/" + strings.Fields(name)[0]
			v := p.vault(t, seals, func(c *ssmkeys.Config) { c.Path = at })
			ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Algorithm: keys.ES256, Logger: silent})
			if err != nil {
				t.Fatal(err)
			}
			leaked, err := ring.SigningKey(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			stolen := p.read(t, at+"/0000000001")
			if err := ring.Revoke(t.Context(), leaked.Public().ID()); err != nil {
				t.Fatal(err)
			}
			first, latest := at+"/0000000001", at+"/0000000002"
			good := p.read(t, latest)
			p.put(t, at+"/0000000003", stolen)
			vaulttest.Unreadable(t, v)
			if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Logger: silent}); err == nil || !strings.Contains(err.Error(), "version 1 of the ring") || !strings.Contains(err.Error(), "0000000003") {
				t.Errorf("a new process with the copy: %v", err)
			}
			for _, name := range []string{at + "/0000000003", latest} {
				if _, err := p.api.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: &name}); err != nil {
					t.Fatal(err)
				}
			}
			p.put(t, latest, stolen) // in the place of the latest
			vaulttest.Unreadable(t, v)
			if _, err := p.api.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: &latest}); err != nil {
				t.Fatal(err)
			}
			p.put(t, latest, good)
			again, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Logger: silent})
			if err != nil {
				t.Fatalf("without the copy: %v", err)
			}
			if _, err := again.PublicKey(t.Context(), leaked.Public().ID()); err == nil {
				t.Error("the revoked key verifies")
			}
			// What the number does not stop, and docs/keys.md says: without the newest, the one before is the ring.
			if _, err := p.api.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: &latest}); err != nil {
				t.Fatal(err)
			}
			older, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Logger: silent})
			if err != nil || p.read(t, first) != stolen {
				t.Fatal("the version before is not the ring", err)
			}
			if _, err := older.PublicKey(t.Context(), leaked.Public().ID()); err != nil {
				t.Errorf("a new process: %v", err)
			}
		})
	}
}

// TestVersionBefore: programs from before the number was bound read what this one saves, and this one reads what
// they saved, sealed or not, with two of them on one path.
func TestVersionBefore(t *testing.T) {
	p := newPlace(t)
	at := func(c *ssmkeys.Config) { c.Path = "/before/keys" }
	v := p.vault(t, at)
	if _, err := v.Save(t.Context(), []byte(`{"saved":"now"}`), ""); err != nil {
		t.Fatal(err)
	}
	var head struct {
		Format int `json:"postern"`
		Text   []byte
	}
	if err := json.Unmarshal([]byte(p.read(t, "/before/keys/0000000001")), &head); err != nil || head.Format != 1 {
		t.Fatalf("format %d, %v", head.Format, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(head.Text))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(zip); err != nil || string(data) != `{"saved":"now"}` {
		t.Errorf("a program of the version before reads %q, %v", data, err)
	}

	old := func(path string, number int, seal keys.Sealer) {
		t.Helper()
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		if _, err := fmt.Fprintf(w, `{"saved":%d}`, number); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		raw := body.Bytes()
		if seal != nil {
			if raw, err = seal.Seal(t.Context(), raw, "postern-ring-1 "+path); err != nil {
				t.Fatal(err)
			}
		}
		text := base64.StdEncoding.EncodeToString(raw)
		sum := sha256.Sum256([]byte(text))
		value, err := json.Marshal(map[string]any{"postern": 1, "for": path, "id": randText(t), "sealed": seal != nil, "sum": sum[:], "text": text})
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, fmt.Sprintf("%s/%010d", path, number), string(value))
	}
	old("/before/keys", 2, nil)
	data, version, err := v.Load(t.Context())
	if err != nil || string(data) != `{"saved":2}` {
		t.Errorf("what the version before saved: %q, %v", data, err)
	}
	if _, err := v.Save(t.Context(), []byte(`{"saved":"again"}`), version); err != nil {
		t.Error(err)
	}
	old("/before/sealed", 7, sealer)
	place := func(c *ssmkeys.Config) { c.Path = "/before/sealed" }
	before := p.vault(t, sealed, place)
	data, version, err = before.Load(t.Context())
	if err != nil || string(data) != `{"saved":7}` {
		t.Errorf("sealed: %q, %v", data, err)
	}

	// A ring that was sealed under another key: a copy from before does not open.
	stolen := p.read(t, "/before/sealed/0000000007")
	if _, err = before.Save(t.Context(), []byte(`{"saved":8}`), version); err != nil {
		t.Fatal(err)
	}
	old("/before/sealed", 9, keys.MasterKey(bytes.Repeat([]byte{9}, 32))) // by an older program
	after := p.vault(t, func(c *ssmkeys.Config) { c.Sealer = keys.MasterKey(bytes.Repeat([]byte{9}, 32)) }, place)
	data, version, err = after.Load(t.Context())
	if err != nil || string(data) != `{"saved":9}` {
		t.Errorf("sealed anew by an older program: %q, %v", data, err)
	}
	if _, err := after.Save(t.Context(), []byte(`{"saved":10}`), version); err != nil {
		t.Fatal(err)
	}
	if data, _, err := after.Load(t.Context()); err != nil || string(data) != `{"saved":10}` {
		t.Errorf("under another key: %q, %v", data, err)
	}
	p.put(t, "/before/sealed/0000000011", stolen)
	vaulttest.Unreadable(t, after)
}
