package vaulttest_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
)

// newPair returns two values of one file, as two processes have them.
func newPair(t *testing.T) (one, other keys.Vault) {
	v := keys.FileVault{Path: filepath.Join(t.TempDir(), "ring"), Sealer: keys.MasterKey(bytes.Repeat([]byte{7}, 32))}
	return v, v
}

// The test of a vault is one line. TestFileVault of this file runs this one.
func ExampleRunPair() {
	_ = func(t *testing.T) { vaulttest.RunPair(t, newPair) }
}

func TestFileVault(t *testing.T) { vaulttest.RunPair(t, newPair) }
