package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestKeysRevoke_SaysWhatIsTrue: running programs learn of it within minutes, and a second revocation changes nothing.
func TestKeysRevoke_SaysWhatIsTrue(t *testing.T) {
	data := t.TempDir()
	if _, errs, status := call(t, "", "keys", "rotate", "--data", data, "--alg", "EdDSA"); status != 0 {
		t.Fatal(errs)
	}
	out, _, _ := call(t, "", "keys", "list", "--data", data)
	kid := strings.Fields(out)[5] // below the five titles
	out, errs, status := call(t, "", "keys", "revoke", "--data", data, kid)
	if status != 0 || !strings.Contains(out, "Revoked:  "+kid) || !strings.Contains(out, "running programs within five minutes") || strings.Contains(out, "from now on") {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	before, _, _ := call(t, "", "keys", "list", "--data", data)
	out, errs, status = call(t, "", "keys", "revoke", "--data", data, kid)
	if status != 0 || strings.Contains(out, "Revoked:") || !strings.Contains(out, kid+" was revoked before: just now") {
		t.Errorf("again: %d %s%s", status, out, errs)
	}
	if after, _, _ := call(t, "", "keys", "list", "--data", data); after != before {
		t.Errorf("the second revocation changed the ring:\n%s%s", before, after)
	}
}

// TestKeys_KeepTheAlgorithm: a key that takes the place of a revoked one, and one that is added without --alg, have the
// algorithm of the ring, so that what accepts ES256 alone accepts them too.
func TestKeys_KeepTheAlgorithm(t *testing.T) {
	data, now := t.TempDir(), noon
	must := func(args ...string) string {
		t.Helper()
		now = now.Add(time.Minute) // keys of one second have no order
		var out, errs bytes.Buffer
		if status := run(t.Context(), append(args, "--data", data), world{strings.NewReader(""), &out, &errs, func() time.Time { return now }}); status != 0 {
			t.Fatal(args, errs.String())
		}
		return out.String()
	}
	signing := func() (all []listedKey) {
		t.Helper()
		for d := json.NewDecoder(strings.NewReader(must("keys", "list", "--json"))); d.More(); {
			var k listedKey
			if err := d.Decode(&k); err != nil {
				t.Fatal(err)
			}
			if k.Use == useSigning {
				all = append(all, k)
			}
		}
		return all
	}
	must("keys", "rotate", "--alg", "ES256")
	must("keys", "revoke", signing()[0].ID)
	if all := signing(); len(all) != 2 || all[0].State != "signing" || all[0].Algorithm != "ES256" {
		t.Errorf("after revoke: %+v", all)
	}
	if out := must("keys", "rotate"); !strings.Contains(out, "(ES256)") {
		t.Errorf("rotate: %s", out)
	}
	must("keys", "revoke", "--all")
	for _, k := range signing() {
		if k.Algorithm != "ES256" {
			t.Errorf("after revoke --all: %+v", k)
		}
	}
	if out := must("keys", "rotate", "--alg", "EdDSA"); !strings.Contains(out, "(EdDSA)") {
		t.Errorf("rotate --alg: %s", out)
	}
	// The newest that is not revoked decides, not one that was taken back.
	must("keys", "revoke", signing()[0].ID)
	if out := must("keys", "rotate"); !strings.Contains(out, "(ES256)") {
		t.Errorf("after the EdDSA key was taken back: %s", out)
	}
}
