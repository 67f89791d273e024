package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/posternauth/postern/keys"
)

// maxJWKS is the size of the largest file taken for a key set.
const maxJWKS = 512 << 10

// openJWKS makes a Verifier of a file or of what is at an address.
func openJWKS(where string) (keys.Verifier, error) {
	if strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://") {
		// The address was typed by the user, so it may be inside a company. http is for this machine only, and Remote
		// holds us to that.
		v, err := keys.Remote(keys.RemoteConfig{URL: where, AllowPrivate: true, AllowInsecure: true})
		if err != nil {
			return nil, fmt.Errorf("--jwks: %w", err)
		}
		return v, nil
	}
	file, err := os.Open(where)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxJWKS+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--jwks: %w", err)
	case len(data) > maxJWKS:
		return nil, fmt.Errorf("--jwks: %s is larger than %d KiB; a key set is smaller", where, maxJWKS>>10)
	}
	set, err := keys.ParseJWKS(data)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %s: %w", where, err)
	}
	return keys.Static(set...)
}
