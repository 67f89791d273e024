package serve

import (
	"fmt"
	"strings"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/store"
)

func (b *builder) openAudit() error {
	if b.OnEvent != nil {
		b.emit = append(b.emit, b.OnEvent)
	}
	switch {
	case b.dry:
		return nil
	case b.OpenAudit == nil:
		for key, set := range map[string]string{"audit.file": b.Audit.File, "audit.webhook": b.Audit.Webhook} {
			if set != "" {
				b.problem(key, "this program cannot write it", "remove it, or use another program")
			}
		}
		return nil
	}
	if b.checkAudit(); len(b.found) > 0 {
		return nil
	}
	emit, done, err := b.OpenAudit(b.ctx, AuditRequest{
		Audit: b.Audit, Key: b.values[b.Audit.FileKey.Name], Secrets: b.webhookSecrets(), Store: b.house.store,
	})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	b.emit = append(b.emit, emit)
	b.house.closers = append(b.house.closers, done)
	return nil
}

// checkAudit notes secrets that cannot be what they are for. A missing one is noted before.
func (b *builder) checkAudit() {
	if key := b.values[b.Audit.FileKey.Name]; key != "" {
		if _, err := audit.ParseKey(key); err != nil {
			b.problem("audit.file_key", "the secret "+b.Audit.FileKey.Name+" is not 64 hex digits or more", "make one with: openssl rand -hex 32")
		}
	}
	if len(b.webhookSecrets()) == 0 {
		return
	}
	err := webhook(b.Audit.Webhook, b.webhookSecrets()...)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "the field URL"):
		b.problem("audit.webhook", packagePrefix.ReplaceAllString(err.Error(), ""), "write an https URL at a public address")
	default:
		b.problem("audit.webhook_secret", "the secret "+b.Audit.WebhookSecret.Name+" is not whsec_ and base64 of 24 to 64 bytes, or up to 5 such with spaces between",
			"make what comes after whsec_ with: openssl rand -base64 32")
	}
}

// webhook returns what the sink of a webhook refuses.
func webhook(url string, secrets ...string) error {
	_, err := audit.NewWebhook(audit.WebhookConfig{URL: url, Secrets: secrets, Store: &store.Memory{}})
	return err
}

func (b *builder) webhookSecrets() []string {
	return strings.Fields(b.values[b.Audit.WebhookSecret.Name])
}
