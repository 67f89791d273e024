package kmskeys_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/store"
)

const exampleARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// A sealing stands in for kms.NewFromConfig(loaded), with a symmetric key.
type sealing struct{ kmskeys.SealerClient }

func (sealing) GenerateDataKey(_ context.Context, in *kms.GenerateDataKeyInput, _ ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error) {
	fmt.Println("a data key for", in.EncryptionContext["postern:vault"])
	return &kms.GenerateDataKeyOutput{KeyId: in.KeyId, Plaintext: bytes.Repeat([]byte{7}, 32), CiphertextBlob: []byte("encrypted")}, nil
}

func ExampleNewSealer() {
	sealer, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: sealing{}, ARN: exampleARN})
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := keys.Open(context.Background(), keys.RingConfig{
		Vault: keys.StoreVault{Store: &store.Memory{}, Sealer: sealer}, Algorithm: keys.ES256,
	})
	fmt.Println(ring != nil, err)

	_, err = kmskeys.NewSealer(kmskeys.SealerConfig{Client: sealing{}, ARN: "alias/auth"})
	fmt.Println(err)
	// Output:
	// a data key for postern-ring-1 keys:main ring
	// true <nil>
	// kmskeys: SealerConfig.ARN: kmskeys: this is not the key of the configuration: "alias/auth" is an alias, which can be moved to another key: use the ARN of the key (aws kms describe-key)
}

// A signing stands in for kms.NewFromConfig(loaded), with an asymmetric key.
type signing struct{ private *ecdsa.PrivateKey }

func (s signing) GetPublicKey(_ context.Context, in *kms.GetPublicKeyInput, _ ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	der, err := x509.MarshalPKIXPublicKey(&s.private.PublicKey)
	return &kms.GetPublicKeyOutput{
		KeyId: in.KeyId, PublicKey: der, KeyUsage: types.KeyUsageTypeSignVerify, SigningAlgorithms: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256},
	}, err
}

func (s signing) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	hash := sha256.Sum256(in.Message)
	sig, err := ecdsa.SignASN1(rand.Reader, s.private, hash[:])
	return &kms.SignOutput{KeyId: in.KeyId, Signature: sig}, err
}

// The public key that is pinned comes with the program, not from KMS: a file that the command of docs/keys.md made.
func ExampleNewSigner() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	file := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	pinned, err := keys.ParsePublicPEM(file, keys.ES256, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	kid, err := keys.Thumbprint(pinned.Public())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	signer, err := kmskeys.NewSigner(ctx, kmskeys.SignerConfig{
		Client: signing{private},
		Keys:   []kmskeys.Key{{ARN: exampleARN, Algorithm: keys.ES256, Thumbprint: kid}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := signer.SigningKey(ctx, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	signature, err := key.Sign(ctx, []byte("a token"))
	fmt.Println(len(signature), err, pinned.Verify([]byte("a token"), signature))

	_, err = kmskeys.NewSigner(ctx, kmskeys.SignerConfig{
		Client: signing{private},
		Keys:   []kmskeys.Key{{ARN: exampleARN, Algorithm: keys.ES256, Thumbprint: "of another key"}},
		Report: func(_ context.Context, arn string, _ error) { fmt.Println("alarm:", arn == exampleARN) },
	})
	fmt.Println(err != nil)
	// Output:
	// 64 <nil> <nil>
	// alarm: true
	// true
}
