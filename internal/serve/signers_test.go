package serve

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/posternauth/postern/internal/awsvault"
	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/session"
)

// cloud is KMS.
type cloud struct {
	*testing.T
	net *awsfaults.Transport
	api *kms.Client
	url string
}

func newCloud(t *testing.T) cloud {
	c := cloud{t, &awsfaults.Transport{}, nil, testserver.Moto(t).URL()}
	c.api = kms.NewFromConfig(c.net.Config(c.url))
	return c
}

// key makes a key and returns its ARN and public key.
func (c cloud) key(spec types.KeySpec, usage types.KeyUsageType) (arn, public string) {
	c.Helper()
	made, err := c.api.CreateKey(c.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		c.Fatal(err)
	}
	arn = *made.KeyMetadata.Arn
	out, err := c.api.GetPublicKey(c.Context(), &kms.GetPublicKeyInput{KeyId: &arn})
	if err != nil {
		c.Fatal(err)
	}
	return arn, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: out.PublicKey}))
}

// open is Parts.OpenSigner.
func (c cloud) open(ctx context.Context, s SignerRequest) (keys.Signer, error) {
	signer := kmskeys.SignerConfig{Report: s.Report, Now: s.Now}
	for _, k := range s.Keys {
		signer.Keys = append(signer.Keys, kmskeys.Key(k))
	}
	return awsvault.OpenSigner(ctx, signer, func(context.Context) (aws.Config, error) { return c.net.Config(c.url), nil })
}

// token returns the access token in the cookies of a browser.
func (b browser) token() string {
	b.t.Helper()
	u, err := url.Parse(b.origin)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if strings.HasPrefix(c.Value, "eyJ") && strings.Count(c.Value, ".") == 2 {
			return c.Value
		}
	}
	b.t.Fatal("there is no token")
	return ""
}

// published returns the public keys over the wire.
func (b browser) published() (keys.Verifier, []string) {
	b.t.Helper()
	_, _, body := b.ask(http.MethodGet, "/auth/.well-known/jwks.json", nil)
	set, err := keys.ParseJWKS(body)
	if err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
	from, err := keys.Static(set...)
	if err != nil {
		b.t.Fatal(err)
	}
	var kids []string
	for _, k := range set {
		kids = append(kids, k.ID())
	}
	return from, kids
}

// check verifies a token with published keys, as a gateway does, and returns the kid and the algorithm.
func check(t *testing.T, from keys.Verifier, token string) (kid string, alg keys.Algorithm, err error) {
	t.Helper()
	at := strings.LastIndexByte(token, '.')
	text, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		Kid string
		Alg keys.Algorithm
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err == nil {
		err = json.Unmarshal(header, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.Verify(t.Context(), from, h.Kid, h.Alg, []byte(token[:at]), signature)
	return h.Kid, h.Alg, err
}

// TestE4_Signers: tokens of a sign-in and of a refresh are signed in KMS and verify with the published keys, among
// which those of the ring are not. Links, refresh tokens and everything else that the ring seals works as without KMS.
func TestE4_Signers(t *testing.T) {
	c := newCloud(t)
	for spec, alg := range map[types.KeySpec]keys.Algorithm{types.KeySpecRsa2048: keys.RS256, types.KeySpecEccNistP256: keys.ES256} {
		t.Run(string(spec), func(t *testing.T) {
			arn, public := c.key(spec, types.KeyUsageTypeSignVerify)
			file := wireFile + "\n[[keys.signers]]\nkey = \"kms:${ARN}\"\npublic_key = \"${PUBLIC}\"\n"
			w := newWire(t, "memory", file, func(p *Parts, env environment) {
				env["ARN"], env["PUBLIC"], p.OpenSigner = arn, public, c.open
			})
			b := w.browser()
			b.signUp(ada, secretPhrase)
			from, kids := b.published()
			kid, got, err := check(t, from, b.token())
			if err != nil || got != alg || !slices.Equal(kids, []string{kid}) {
				t.Fatalf("a token of %s under %s, %v; %q are published", got, kid, err, kids)
			}
			first := b.token()
			w.clock.Advance(6 * time.Minute)
			if status, _, body := b.ask(http.MethodPost, "/auth/refresh", url.Values{}); status >= 300 || b.token() == first {
				t.Fatalf("refresh: %d %s", status, body)
			}
			if _, _, err := check(t, from, b.token()); err != nil {
				t.Errorf("after a refresh: %v", err)
			}
			if status, _ := b.verify("/auth/verify", "/wiki"); status != http.StatusOK {
				t.Errorf("the proxy asks: %d", status)
			}
			link := w.browser()
			link.fill(link.send("/auth/link/authorize"), "email", ada)
			link.fill(link.send(link.mails.Last(t, ada).Arg("link")))
			if _, _, err := check(t, from, link.token()); err != nil {
				t.Errorf("by a link: %v", err)
			}
			own, err := w.house.Ring().SigningKey(t.Context(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			forged, input := own.Public(), []byte(b.token()[:strings.LastIndexByte(b.token(), '.')])
			sig, err := own.Sign(t.Context(), input)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Verify(t.Context(), w.house.signer, forged.ID(), forged.Algorithm(), input, sig); !errors.Is(err, keys.ErrUnknownKey) {
				t.Errorf("a key of the vault makes tokens: %v", err)
			}
			if err := w.house.Sessions().RotateKeys(t.Context()); !errors.Is(err, session.ErrNoSigner) {
				t.Errorf("the administration rotates keys of KMS: %v", err)
			}
			c.net.SetDown(true)
			defer c.net.SetDown(false)
			w.clock.Advance(6 * time.Minute)
			if status, _, _ := b.ask(http.MethodPost, "/auth/refresh", url.Values{}); status != http.StatusServiceUnavailable {
				t.Errorf("a refresh without KMS: %d", status)
			}
			if err := w.house.Ready(t.Context()); err != nil {
				t.Errorf("readiness asks KMS: %v", err)
			}
			if _, kids := b.published(); len(kids) != 1 {
				t.Errorf("without KMS %q are published", kids)
			}
		})
	}
}

// TestE4_SignersTakeOver: a key of KMS is published before it signs, and takes over from the ring at its time; the keys
// of the ring end with their last token. A second key of KMS takes over from the first.
func TestE4_SignersTakeOver(t *testing.T) {
	c := newCloud(t)
	one, onePEM := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	two, twoPEM := c.key(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "two.pem"), []byte(twoPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	var began time.Time
	file := wireFile + `
[[keys.signers]]
key = "kms:${TWO}"
public_key = "${FOLDER}/two.pem"
algorithm = "RS512"
from = "${SECOND}"

[[keys.signers]]
key = "kms:${ONE}"
public_key = """
${PUBLIC}"""
from = "${FIRST}"
`
	w := newWire(t, "memory", file, func(p *Parts, env environment) {
		began, p.OpenSigner = p.Now(), c.open
		env["ONE"], env["TWO"], env["PUBLIC"], env["FOLDER"] = one, two, onePEM, folder
		env["FIRST"], env["SECOND"] = began.Add(3*time.Hour).Format(time.RFC3339), began.Add(30*time.Hour).Format(time.RFC3339)
	})
	b := w.browser()
	b.signUp(ada, secretPhrase)
	kid := func(after time.Duration, alg keys.Algorithm, published int) (token string, from keys.Verifier) {
		t.Helper()
		w.clock.Advance(began.Add(after).Sub(w.clock.Now()))
		if status, _, body := b.ask(http.MethodPost, "/auth/refresh", url.Values{}); status >= 300 {
			t.Fatalf("after %v: %d %s", after, status, body)
		}
		from, kids := b.published()
		if _, got, err := check(t, from, b.token()); err != nil || got != alg || len(kids) != published {
			t.Fatalf("after %v: a token of %s, %v; %q are published", after, got, err, kids)
		}
		return b.token(), from
	}
	ring := w.house.ring
	own, err := ring.SigningKey(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	ringToken, early := kid(3*time.Hour-time.Minute, keys.ES256, 3)
	if signed, _, _ := check(t, early, ringToken); signed != own.Public().ID() {
		t.Errorf("%s signed before the first key of KMS begins", signed)
	}
	token, now := kid(3*time.Hour+time.Minute, keys.ES256, 3)
	if signed, _, err := check(t, early, token); err != nil || signed == own.Public().ID() {
		t.Errorf("a gateway with keys from before: %s, %v", signed, err)
	}
	if _, _, err := check(t, now, ringToken); err != nil {
		t.Errorf("the token of the ring: %v", err)
	}
	_, late := kid(5*time.Hour+6*time.Minute, keys.ES256, 2)
	if _, _, err := check(t, late, ringToken); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("the token of the ring, when it is dead: %v", err)
	}
	token, _ = kid(30*time.Hour+time.Minute, keys.RS512, 2)
	if _, _, err := check(t, early, token); err != nil {
		t.Errorf("a gateway with keys from before: %v", err)
	}
}

// TestE4_SignersRingEnds: a key of the ring is published until its last token is dead and two hours have passed, also
// where tokens of administrators live longer than those of people.
func TestE4_SignersRingEnds(t *testing.T) {
	c := newCloud(t)
	arn, public := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	const admin = "\n[admin]\nenabled = true\nrequire_factor = false\naccess = \"20m\"\n"
	for name, x := range map[string]struct {
		file   string
		access time.Duration
	}{
		"people":         {wireFile, 5 * time.Minute},
		"administrators": {strings.Replace(wireFile, `["posts:write"]`, `["posts:write", "users:read", "users:roles"]`, 1) + admin, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var from time.Time
			w := newWire(t, "memory", x.file+"\n[[keys.signers]]\nkey = \"kms:${ARN}\"\npublic_key = \"${PUBLIC}\"\nfrom = \"${FROM}\"\n", func(p *Parts, env environment) {
				from, p.OpenSigner = p.Now().Add(3*time.Hour).Truncate(time.Second), c.open
				env["ARN"], env["PUBLIC"], env["FROM"] = arn, public, from.Format(time.RFC3339)
			})
			own, err := w.house.ring.SigningKey(t.Context(), x.access)
			if err != nil {
				t.Fatal(err)
			}
			last := 2*time.Hour + x.access
			for _, after := range []time.Duration{2*time.Hour + time.Second, last - time.Second, last + time.Second} {
				w.clock.Advance(from.Add(after).Sub(w.clock.Now()))
				if _, kids := w.browser().published(); slices.Contains(kids, own.Public().ID()) != (after < last) {
					t.Errorf("%v after from: %q are published", after, kids)
				}
			}
		})
	}
}

// TestE4_SignersRefused: an alias, another key, another public key, a key for something else and an algorithm that is
// not the key's do not start, each with the setting and what to do; what only KMS shows is in the log as well.
func TestE4_SignersRefused(t *testing.T) {
	c := newCloud(t)
	arn, public := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	other, otherPublic := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	sealing, sealingPublic := c.key(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
	alias := "alias/issuer"
	if _, err := c.api.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	private, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	entry := func(key, public, more string) string {
		return fmt.Sprintf("\n[[keys.signers]]\nkey = %q\npublic_key = %q\n%s\n", key, public, more)
	}
	good := entry("kms:"+arn, public, "")
	for name, x := range map[string]struct{ file, at, want string }{
		"no KMS in front":     {entry(arn, public, ""), "signers[0].key", "kms:ARN"},
		"an alias":            {entry("kms:"+alias, public, ""), "signers[0].key", "alias"},
		"the ARN of an alias": {entry("kms:arn:aws:kms:eu-central-1:123456789012:"+alias, public, ""), "signers[0].key", "alias"},
		"the id alone":        {entry("kms:"+arn[strings.LastIndexByte(arn, '/')+1:], public, ""), "signers[0].key", "ARN"},
		"no public key":       {"\n[[keys.signers]]\nkey = \"kms:" + arn + "\"\n", "signers[0].public_key", "required"},
		"no key":              {"\n[[keys.signers]]\npublic_key = \"signer.pem\"\n", "signers[0].key", "required"},
		"no such file":        {entry("kms:"+arn, "none.pem", ""), "signers[0].public_key", "cannot be read"},
		"a secret":            {entry("kms:"+arn, "secret:KEY", ""), "signers[0].public_key", "takes no secret"},
		"another text":        {entry("kms:"+arn, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ""), "signers[0].public_key", "no public key"},
		"two public keys":     {entry("kms:"+arn, public+otherPublic, ""), "signers[0].public_key", "more than one"},
		"of a curve for RSA":  {entry("kms:"+arn, public, `algorithm = "RS256"`), "signers[0].algorithm", "a key for ES256"},
		"of a larger curve":   {entry("kms:"+arn, public, `algorithm = "ES384"`), "signers[0].algorithm", "a key for ES256"},
		"not of KMS":          {entry("kms:"+arn, public, `algorithm = "EdDSA"`), "signers[0].algorithm", "not known"},
		"the same key twice":  {good + entry("kms:"+arn, otherPublic, "from = 2026-01-01T00:00:00Z"), "signers[1].key", "signers[0]"},
		"one public key":      {good + entry("kms:"+other, public, "from = 2026-01-01T00:00:00Z"), "signers[1].public_key", "signers[0]"},
		"two from the start":  {good + entry("kms:"+other, otherPublic, ""), "signers[1].from", "signers[0]"},

		"another public key":   {entry("kms:"+arn, otherPublic, ""), "signers[0]", "is pinned"},
		"the ARN of another":   {entry("kms:"+other, public, ""), "signers[0]", "is pinned"},
		"the second of two":    {good + entry("kms:"+other, pemOf(t, private.Public()), "from = 2026-01-01T00:00:00Z"), "signers[1]", "is pinned"},
		"a key for encryption": {entry("kms:"+sealing, sealingPublic, ""), "signers[0]", "ENCRYPT_DECRYPT"},
	} {
		var log bytes.Buffer
		p := Parts{LookupEnv: environment{}.lookup, ReadFile: os.ReadFile, OpenSigner: c.open, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		config, err := Parse("postern.toml", []byte(memoryFile[:strings.Index(memoryFile, "[providers")]+"[providers.passkey]\ntype = \"passkey\"\n"+x.file), p.LookupEnv)
		offline := err
		if offline == nil {
			offline = Check(t.Context(), config, p)
		}
		if err == nil {
			_, err = Open(t.Context(), config, p)
		}
		var invalid *Invalid
		if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Key != "keys."+x.at || !strings.Contains(invalid.Problems[0].Text, x.want) || invalid.Problems[0].Line == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		onlyKMS := strings.HasSuffix(x.at, "]")
		if (offline == nil) != onlyKMS {
			t.Errorf("%s: without a network: %v", name, offline)
		}
		if reported := strings.Contains(log.String(), "a key of KMS is not the one of the configuration"); reported != onlyKMS {
			t.Errorf("%s: the log has %s", name, &log)
		}
	}
	p := Parts{LookupEnv: environment{}.lookup, ReadFile: os.ReadFile, OpenSigner: c.open, Logger: slog.New(slog.DiscardHandler)}
	config := parse(t, memoryFile[:strings.Index(memoryFile, "[providers")]+"[providers.passkey]\ntype = \"passkey\"\n"+good)
	c.net.SetDown(true)
	var invalid *Invalid
	if _, err := Open(t.Context(), config, p); !errors.Is(err, keys.ErrUnavailable) || errors.As(err, &invalid) {
		t.Errorf("KMS is down: %v", err)
	}
	c.net.SetDown(false)
	h, err := Open(t.Context(), config, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Ready(t.Context()), h.Close()); err != nil {
		t.Error(err)
	}
	p.OpenSigner = nil
	if _, err := Open(t.Context(), config, p); !errors.As(err, &invalid) {
		t.Errorf("a program without KMS: %v", err)
	}
}

func pemOf(t *testing.T, public *keys.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
