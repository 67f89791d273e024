package keys_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// A ring lives in a vault and rotates without an outage: the new key is published at once and signs three hours later.
func ExampleOpen() {
	ctx := context.Background()
	ring, err := keys.Open(ctx, keys.RingConfig{
		Vault:     new(keys.MemoryVault), // on a server: keys.FileVault{Path: path, Sealer: keys.MasterKey(key)}
		Algorithm: keys.ES256,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := ring.Rotate(ctx); err != nil {
		log.Fatal(err)
	}
	infos, err := ring.Keys(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, k := range infos {
		fmt.Println(k.Algorithm, k.State)
	}
	// Output:
	// ES256 signing
	// ES256 pending
}

// Sign with the key that signs now, publish the keys that verify, and check a signature by its kid.
func ExampleRing_SigningKey() {
	ctx := context.Background()
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA})
	if err != nil {
		log.Fatal(err)
	}
	key, err := ring.SigningKey(ctx, 5*time.Minute) // how long the token will live
	if err != nil {
		log.Fatal(err)
	}
	message := []byte("header.payload")
	sig, err := key.Sign(ctx, message)
	if err != nil {
		log.Fatal(err)
	}

	public, err := ring.PublicKey(ctx, key.Public().ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(public.Verify(message, sig))
	fmt.Println(public.Verify([]byte("another message"), sig))
	// Output:
	// <nil>
	// keys: signature does not verify
}

// Serve the keys at the issuer's jwks_uri.
func ExampleJWKS() {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault)})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, r *http.Request) {
		public, err := ring.PublicKeys(r.Context())
		if err != nil {
			http.Error(w, "keys unavailable", http.StatusServiceUnavailable)
			return
		}
		doc, err := keys.JWKS(public)
		if err != nil {
			http.Error(w, "keys unavailable", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(doc)
	})
}

// Check tokens of another issuer with the keys its metadata lead to.
func ExampleRemote_issuer() {
	verifier, err := keys.Remote(keys.RemoteConfig{
		Issuer:     "https://tenant.eu.auth0.com/", // as its tokens write it
		Algorithms: []keys.Algorithm{keys.RS256},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = verifier // for session.ExternalConfig.Keys
}

// Check tokens of another issuer with the keys it publishes.
func ExampleRemote() {
	verifier, err := keys.Remote(keys.RemoteConfig{
		URL:        "https://issuer.example.com/.well-known/jwks.json",
		Algorithms: []keys.Algorithm{keys.RS256},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = verifier // for session.ExternalConfig.Keys
}

// A secret shared with another service, at least 32 random bytes.
func ExampleNewHMAC() {
	key, err := keys.NewHMAC("shared-1", []byte("32 bytes from a random source..."))
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := keys.Static(key.Public())
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.PublicKey(context.Background(), "shared-2")
	fmt.Println(err)
	// Output: keys: unknown key
}

// A certificate or PEM file, without knowing what its issuer calls the key.
func ExampleParsePublicPEM() {
	key, err := keys.ParsePublicPEM([]byte(`-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----`), keys.EdDSA, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Algorithm())
	_, err = keys.ParsePublicPEM([]byte("not PEM"), keys.EdDSA, "")
	fmt.Println(err)
	// Output:
	// EdDSA
	// keys: key refused: no PEM block found
}

// Functions and servers that share a database keep the ring in it. The first of them makes the ring, the others open
// it.
func ExampleStoreVault() {
	ctx := context.Background()
	st := &store.Memory{}                  // in production a store that all share: sqlstore, dynamostore, redisstore
	sealing := bytes.Repeat([]byte{7}, 32) // in production 32 random bytes from a secret manager
	var kids []string
	for range 3 { // three processes
		ring, err := keys.Open(ctx, keys.RingConfig{Vault: keys.StoreVault{Store: st, Sealer: keys.MasterKey(sealing)}, Algorithm: keys.ES256})
		if err != nil {
			log.Fatal(err)
		}
		key, err := ring.SigningKey(ctx, 5*time.Minute)
		if err != nil {
			log.Fatal(err)
		}
		kids = append(kids, key.Public().ID())
	}
	fmt.Println(kids[0] == kids[1], kids[1] == kids[2])

	other := keys.StoreVault{Store: st, Sealer: keys.MasterKey(bytes.Repeat([]byte{8}, 32))}
	_, _, err := other.Load(ctx)
	fmt.Println(err)
	// Output:
	// true true
	// keys: the ring "main" in the store does not open: it is sealed under another key than that of StoreVault.Sealer, or damaged, or was moved there
}
