// Package kmskeys uses keys of AWS KMS: a [Sealer] that encrypts the ring of a vault, and a [Signer] whose private keys
// stay in KMS.
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	sealer, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: kms.NewFromConfig(loaded), ARN: arn})
//	ring, err := keys.Open(ctx, keys.RingConfig{Vault: keys.StoreVault{Store: st, Sealer: sealer}})
//
// Keys are named by ARN. An alias is refused: somebody who may move it would choose the key.
package kmskeys

import (
	"errors"
	"fmt"
	"strings"
)

// ErrPinned is the error for a key of KMS that is not the one of the configuration: another ARN, public key, use or
// algorithm.
var ErrPinned = errors.New("kmskeys: this is not the key of the configuration")

// sameKey reports whether KMS answered for a key. Its answer is the ARN; stand-ins for KMS give the id, which ends it.
func sameKey(answer *string, arn string) bool {
	return answer != nil && (*answer == arn || *answer != "" && strings.HasSuffix(arn, ":key/"+*answer))
}

// checkARN refuses what is not the ARN of a key.
func checkARN(arn string) error {
	parts := strings.Split(arn, ":")
	switch {
	case strings.HasPrefix(arn, "alias/"), len(parts) == 6 && strings.HasPrefix(parts[5], "alias/"):
		return fmt.Errorf("%w: %.200q is an alias, which can be moved to another key: use the ARN of the key (aws kms describe-key)", ErrPinned, arn)
	case len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" || parts[3] == "" || parts[4] == "" || !strings.HasPrefix(parts[5], "key/") || len(parts[5]) == len("key/"):
		return fmt.Errorf("%w: %.200q is not the ARN of a key: use arn:aws:kms:REGION:ACCOUNT:key/ID (aws kms describe-key)", ErrPinned, arn)
	}
	return nil
}
