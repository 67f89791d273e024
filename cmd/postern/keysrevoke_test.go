package main

import (
	"strings"
	"testing"
)

// TestKeysRevoke_SaysWhatIsTrue: running programs learn of it within minutes, and a second revocation changes nothing.
func TestKeysRevoke_SaysWhatIsTrue(t *testing.T) {
	data := t.TempDir()
	if _, errs, status := call(t, "", "keys", "new", "--data", data, "--alg", "EdDSA"); status != 0 {
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
