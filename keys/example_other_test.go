package keys_test

import (
	"context"
	"fmt"
	"time"

	"github.com/posternauth/postern/keys"
)

// During a migration the tokens of the other system are checked with its public key, until a day.
func ExampleRing_Import() {
	ctx := context.Background()
	other, err := keys.Generate(keys.RS512) // in a program: keys.ParsePublicPEM
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := ring.Import(ctx, other.Public(), time.Now().AddDate(0, 1, 0)); err != nil {
		fmt.Println(err)
		return
	}
	token := []byte("a token of the other system")
	signature, err := other.Sign(ctx, token)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = keys.Verify(ctx, ring.Imported(), "", keys.RS512, token, signature)
	fmt.Println("where tokens are traded:", err)
	_, err = keys.Verify(ctx, ring, other.Public().ID(), keys.RS512, token, signature)
	fmt.Println("as a token of this issuer:", err)
	// Output:
	// where tokens are traded: <nil>
	// as a token of this issuer: keys: unknown key
}

// While tokens that another Signer made are alive, both verify and are published, and the first signs.
func ExampleJoin() {
	ctx := context.Background()
	open := func() *keys.Ring {
		ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
		if err != nil {
			panic(err)
		}
		return ring
	}
	old, next := open(), open() // next may be a kmskeys.Signer
	both := keys.Join(next, old)

	signs, err := both.SigningKey(ctx, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = next.PublicKey(ctx, signs.Public().ID())
	fmt.Println("the new one signs:", err == nil)
	all, err := both.PublicKeys(ctx)
	fmt.Println(len(all), "keys are published", err)
	// Output:
	// the new one signs: true
	// 2 keys are published <nil>
}
