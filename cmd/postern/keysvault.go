package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/posternauth/postern/internal/awsvault"
	"github.com/posternauth/postern/keys"
)

// vaultKeyEnv is the environment variable with the key that seals the vault of --vault.
const vaultKeyEnv = "POSTERN_VAULT_KEY"

// vaultFlags name a vault on the command line.
type vaultFlags struct {
	dataFlag
	vaultNames
	Config string `placeholder:"FILE" help:"A configuration of postern serve, in place of --vault: it names the vault and what seals it, and the keys of KMS that sign. Run this with the secrets and the rights of the server."`
}

// vaultNames are vaultFlags without the data folder, for a command that has it already.
type vaultNames struct {
	Vault   string `placeholder:"URL" env:"POSTERN_VAULT" help:"Where the keys of a program are kept: file:PATH (FileVault), ssm:PATH (ssmkeys), secrets-manager:NAME (smkeys), or the store of its StoreVault: sqlite:FILE, postgres://..., redis://..., rediss://... or dynamodb:TABLE, as --store of sessions. Default: the vault of the data folder. A password belongs into POSTERN_VAULT, which other people's process lists do not show."`
	KeyFile string `name:"vault-key-file" placeholder:"FILE" help:"A file with the key that seals the vault of --vault: 32 bytes in base64. Default: the environment variable POSTERN_VAULT_KEY has the key itself. Keys in ssm: and secrets-manager: need none, unless the program seals them."`
	Seal    string `placeholder:"ARN" env:"POSTERN_SEAL" help:"The KMS key that seals the vault of --vault, in place of a key in base64: kms:ARN."`
	Ring    string `default:"main" placeholder:"NAME" help:"The ring in the store: StoreVault.Name of the program. Default: main"`
}

// A namedVault is an open vault with its name for people. The name has no password in it.
type namedVault struct {
	keys.Vault
	name string
	done func()
}

// open opens the vault. Where create is set, the data folder is made if it is not there; a store never is.
func (f vaultFlags) open(ctx context.Context, w world, create bool) (namedVault, error) {
	if f.Vault == "" {
		return f.openFolder(create)
	}
	scheme, rest, _ := strings.Cut(f.Vault, ":")
	inStore := !awsvault.Named(f.Vault)
	if inStore {
		if err := checkStoreURL("--vault", f.Vault); err != nil {
			return namedVault{}, err
		}
	}
	request := awsvault.Request{URL: f.Vault, Ring: f.Ring, AWS: loadAWS}
	var err error
	if request.Key, request.KMS, err = f.seal(inStore || scheme == "file"); err != nil {
		return namedVault{}, err
	}
	name, done := rest, func() {}
	if inStore {
		request.URL = "store"
		if request.Store, done, err = openStore(ctx, w, "--vault", f.Vault); err != nil {
			return namedVault{}, err
		}
		name = fmt.Sprintf("the ring %q of this %s store", f.Ring, scheme)
	}
	vault, err := awsvault.Open(ctx, request)
	if err != nil {
		done()
		return namedVault{}, usagef("--vault: %v", err)
	}
	return namedVault{vault, name, done}, nil
}

// loadAWS returns the configuration of AWS of the environment.
func loadAWS(ctx context.Context) (aws.Config, error) {
	return config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
}

// seal returns what seals the vault. A store and a file need something.
func (f vaultFlags) seal(required bool) (key []byte, arn string, err error) {
	if f.Seal != "" {
		arn, ok := strings.CutPrefix(f.Seal, "kms:")
		switch {
		case !ok:
			return nil, "", usagef("--seal: want kms:ARN; a key in base64 belongs into %s or a file that --vault-key-file names", vaultKeyEnv)
		case f.KeyFile != "":
			return nil, "", usagef("--seal and --vault-key-file both seal the vault: give one of them")
		}
		return nil, arn, nil
	}
	if !required && f.KeyFile == "" && os.Getenv(vaultKeyEnv) == "" {
		return nil, "", nil
	}
	key, err = f.key()
	return key, "", err
}

func (f vaultFlags) openFolder(create bool) (namedVault, error) {
	data := folder(f.Data)
	if f.KeyFile != "" || f.Seal != "" {
		return namedVault{}, usagef("--vault-key-file or --seal is the key of a --vault: give both, or neither for the data folder, which has its key in %s", vaultKeyFile)
	}
	if create {
		if err := data.create(); err != nil {
			return namedVault{}, err
		}
	} else if has, err := data.hasKeys(); err != nil || !has {
		if err == nil {
			err = fmt.Errorf("there are no keys in %s; make the first with: postern keys rotate --data %[1]s", f.Data)
		}
		return namedVault{}, err
	}
	vault, err := data.vault()
	return namedVault{vault, f.Data, func() {}}, err
}

// key returns the key that seals the vault. It is never an argument, because other people's process lists show those.
func (f vaultFlags) key() ([]byte, error) {
	text, from := os.Getenv(vaultKeyEnv), vaultKeyEnv
	if f.KeyFile != "" {
		if err := private(f.KeyFile); err != nil {
			return nil, err
		}
		data, err := os.ReadFile(f.KeyFile)
		if err != nil {
			return nil, err
		}
		text, from = string(data), f.KeyFile
	}
	if text == "" {
		return nil, usagef("the key that seals the vault is missing: set %s to it, or name a file that has it with --vault-key-file; it is 32 bytes in base64, what the program gives to keys.MasterKey", vaultKeyEnv)
	}
	key, ok := decodeVaultKey(text)
	if !ok {
		return nil, usagef("%s does not hold 32 bytes in base64", from)
	}
	return key, nil
}

// ring opens a ring that is there already.
func (f vaultFlags) ring(ctx context.Context, w world) (*keys.Ring, func(), error) {
	if f.Config != "" {
		ring, _, done, err := f.configured(ctx, w, "")
		return ring, done, err
	}
	v, err := f.open(ctx, w, false)
	if err != nil {
		return nil, nil, err
	}
	ring, has, err := v.ring(ctx, keys.RingConfig{Now: w.now}, false)
	if err == nil && !has {
		err = fmt.Errorf("there are no keys in %s; make the first with: postern keys rotate, and the same flags", v.name)
	}
	if err != nil {
		v.done()
		return nil, nil, err
	}
	return ring, v.done, nil
}

// ring opens the ring of a vault and reports whether it was there before. An empty vault gets a ring only if begin is
// set. Without c.Algorithm new keys are of the algorithm of the newest: gateways and programs elsewhere may be set up
// for that one alone.
func (v namedVault) ring(ctx context.Context, c keys.RingConfig, begin bool) (ring *keys.Ring, had bool, err error) {
	_, version, err := v.Load(ctx)
	if err != nil || version == "" && !begin {
		return nil, false, err
	}
	c.Vault = v.Vault
	c.Logger = slog.New(slog.DiscardHandler) // a command prints its error
	ring, err = keys.Open(ctx, c)
	if err != nil || version == "" || c.Algorithm != "" {
		return ring, version != "", err
	}
	if c.Algorithm, err = newestAlgorithm(ctx, ring); err == nil && c.Algorithm != keys.RS256 {
		ring, err = keys.Open(ctx, c)
	}
	return ring, true, err
}

// newestAlgorithm returns the algorithm of the newest key that is not revoked. Where all are, it is that of the newest.
func newestAlgorithm(ctx context.Context, ring *keys.Ring) (keys.Algorithm, error) {
	list, err := ring.Keys(ctx)
	if err != nil {
		return "", err
	}
	slices.Reverse(list) // the newest first
	living := slices.IndexFunc(list, func(k keys.KeyInfo) bool { return k.State != keys.StateRevoked })
	if len(list) == 0 {
		return keys.RS256, nil
	}
	return list[max(living, 0)].Algorithm, nil
}
