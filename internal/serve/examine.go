package serve

import (
	"context"
	"encoding/base64"
	"strings"
)

// A Look is where a configuration leads to, for a command that checks it and serves nothing. It has secrets: print
// nothing of it.
type Look struct {
	StoreURL string // empty: memory
	Vault    VaultRequest
	Signers  []SignerKey
	MailAddr string // HOST:PORT of the mail server; empty: none, or Amazon SES
	MailTLS  bool   // TLS from the beginning
}

// Examine reads the secrets of a configuration and opens nothing else. The error is an *Invalid if secrets are missing
// or cannot be what they are for, and another error if a source of secrets fails.
func Examine(ctx context.Context, c Config, p Parts) (Look, error) {
	return examine(ctx, c, p, (*builder).references)
}

// ExamineKeys is Examine for a command that looks at the keys. It reads the secrets that OpenRing reads, and no others.
func ExamineKeys(ctx context.Context, c Config, p Parts) (Look, error) {
	return examine(ctx, c, p, (*builder).ringReferences)
}

// ExamineStore is Examine for a command that looks into the store. It reads no secret but that of the store.
func ExamineStore(ctx context.Context, c Config, p Parts) (Look, error) {
	return examine(ctx, c, p, (*builder).storeReferences)
}

func examine(ctx context.Context, c Config, p Parts, names func(*builder) map[string]string) (Look, error) {
	b := builder{Config: &c, Parts: p, house: &House{config: c, now: p.Now, log: p.Logger}, ctx: ctx}
	if err := b.openSecrets(names(&b)); err != nil {
		return Look{}, err
	}
	var look Look
	if c.Store.URL.Scheme() != memory {
		look.StoreURL = c.Store.URL.url
		if name := c.Store.URL.Name; name != "" { // its value is empty where it was not read
			look.StoreURL = placed(c.file, b.values[name])
		}
	}
	look.Vault = VaultRequest{URL: c.Keys.Vault, Ring: c.Keys.Ring}
	if name, ok := strings.CutPrefix(c.Keys.Seal, secretPrefix); ok && b.values[name] != "" {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(b.values[name]))
		if err != nil || len(key) != 32 {
			b.problem("keys.seal", "the secret "+name+" is not 32 bytes in base64", "make one with: openssl rand -base64 32")
		}
		look.Vault.Key = key
	} else {
		look.Vault.KMS, _ = strings.CutPrefix(c.Keys.Seal, kmsPrefix)
	}
	look.Signers = b.signerKeys()
	b.checkAudit()
	if addr, implicit, err := mailServer(c.Mail.URL); err == nil {
		look.MailAddr, look.MailTLS = addr, implicit
	}
	return look, b.found.err(c.file)
}
