package hash

import (
	"encoding/json"
	"fmt"
	"strings"
)

// keycloakParameters are lists of strings in Keycloak's JSON.
type keycloakParameters struct {
	HashLength, Memory, Type, Version, Parallelism []string
}

// ImportKeycloak returns the encoded string of a credential of type "password" in an export of a Keycloak realm:
// the JSON texts of its members credentialData and secretData. The algorithms pbkdf2 (SHA-1), pbkdf2-sha256,
// pbkdf2-sha512 and argon2 are read.
func ImportKeycloak(credentialData, secretData string) (string, error) {
	if len(credentialData) > maxEncoded || len(secretData) > maxEncoded {
		return "", ErrCost
	}
	var how struct {
		HashIterations       int
		Algorithm            string
		AdditionalParameters keycloakParameters
	}
	var secret struct{ Value, Salt string }
	if err := json.Unmarshal([]byte(credentialData), &how); err != nil {
		return "", fmt.Errorf("%w: credentialData of Keycloak is not its JSON", ErrEncoded)
	}
	if err := json.Unmarshal([]byte(secretData), &secret); err != nil {
		return "", fmt.Errorf("%w: secretData of Keycloak is not its JSON", ErrEncoded)
	}
	decoded, err := eachBase64(secret.Salt, secret.Value)
	if err != nil {
		return "", err
	}
	salt, sum := decoded[0], decoded[1]
	switch how.Algorithm {
	case "pbkdf2":
		return ImportPBKDF2(PBKDF2{"sha1", how.HashIterations, salt, sum})
	case "pbkdf2-sha256", "pbkdf2-sha512":
		return ImportPBKDF2(PBKDF2{strings.TrimPrefix(how.Algorithm, "pbkdf2-"), how.HashIterations, salt, sum})
	case "argon2":
		return importKeycloakArgon2(how.AdditionalParameters, how.HashIterations, salt, sum)
	}
	return "", fmt.Errorf("%w: Keycloak's algorithm %q", ErrEncoded, how.Algorithm)
}

func importKeycloakArgon2(p keycloakParameters, passes int, salt, sum []byte) (string, error) {
	kind, version := only(p.Type), only(p.Version)
	if version != "1.3" || kind != "id" && kind != "i" {
		return "", fmt.Errorf("%w: argon2 of type %q and version %q", ErrEncoded, kind, version)
	}
	memory, err := number(only(p.Memory))
	if err != nil {
		return "", err
	}
	lanes, err := number(only(p.Parallelism))
	if err != nil {
		return "", err
	}
	return written(argon2Format{"argon2" + kind, setting{memory, passes}, lanes, salt, sum})
}

func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
