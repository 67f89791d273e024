package serve

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestCheck_Audit: a key or a secret that no sink uses is a mistake, and so is a webhook that nobody could verify.
func TestCheck_Audit(t *testing.T) {
	example, err := os.ReadFile("example.toml")
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{
		"file = \"a.jsonl\"\nfile_key = \"secret:AUDIT_KEY\"": "",
		"file_key = \"secret:AUDIT_KEY\"":                     "audit.file_key",
		"webhook_secret = \"secret:HOOK\"":                    "audit.webhook_secret",
		"webhook = \"https://siem.example.com/\"":             "audit.webhook_secret",
		"file_key = \"0011\"":                                 "audit.file_key",
	} {
		c, err := Parse("postern.toml", append(example, "\n[audit]\n"+table+"\n"...), environment{}.lookup)
		if err == nil {
			err = Check(t.Context(), c, Parts{LookupEnv: environment{}.lookup, ReadFile: os.ReadFile})
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", table, err)
		}
	}
}

// TestAudit_Secrets: a secret that cannot be what it is for is a mistake of the configuration, for a check that reads
// secrets and for a start.
func TestAudit_Secrets(t *testing.T) {
	const hexKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	const one, two = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w="
	c := parse(t, Example()+`
[audit]
file = "a.jsonl"
file_key = "secret:AUDIT_KEY"
webhook = "https://siem.example.com/"
webhook_secret = "secret:HOOK"
`)
	for _, test := range []struct {
		name, key, hook, want string
		secrets               []string
	}{
		{"sound", hexKey, one, "", []string{one}},
		{"two secrets", hexKey + "\n", one + " " + two + "\n", "", []string{one, two}},
		{"no prefix", hexKey, "hunter2hunter2", "audit.webhook_secret: the secret HOOK", nil},
		{"a short secret", hexKey, "whsec_aHVudGVyMg==", "audit.webhook_secret: the secret HOOK", nil},
		{"one of two", hexKey, one + " hunter2", "audit.webhook_secret: the secret HOOK", nil},
		{"a short key", "00112233", one, "audit.file_key: the secret AUDIT_KEY", nil},
		{"no hex", strings.Repeat("hunter2 ", 20), one, "audit.file_key: the secret AUDIT_KEY", nil},
	} {
		env := environment{"POSTERN_VAULT_KEY": vaultKey(), "AUDIT_KEY": test.key, "HOOK": test.hook}
		var asked AuditRequest
		p := Parts{LookupEnv: env.lookup, ReadFile: os.ReadFile,
			OpenStore: func(context.Context, string) (store.Store, func(), error) { return &store.Memory{}, func() {}, nil },
			OpenAudit: func(_ context.Context, a AuditRequest) (func(context.Context, session.Event), func() error, error) {
				asked = a
				return func(context.Context, session.Event) {}, func() error { return nil }, nil
			}}
		_, examined := Examine(t.Context(), c, p)
		h, opened := Open(t.Context(), c, p)
		if h != nil {
			h.Close()
		}
		for name, err := range map[string]error{"Examine": examined, "Open": opened} {
			var invalid *Invalid
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%s: %s: %v", test.name, name, err)
			case test.want != "" && (!errors.As(err, &invalid) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("%s: %s: %v, want %s", test.name, name, err, test.want)
			}
		}
		if !slices.Equal(asked.Secrets, test.secrets) {
			t.Errorf("%s: the webhook gets %q", test.name, asked.Secrets)
		}
	}
}
