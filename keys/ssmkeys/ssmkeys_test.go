package ssmkeys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/ssmkeys"
	"github.com/posternauth/postern/keys/vaulttest"
)

const path = "/shop/prod/auth/keys"

var (
	sealer = keys.MasterKey(bytes.Repeat([]byte{7}, 32))
	silent = slog.New(slog.DiscardHandler)
)

// A place is a Parameter Store and the way to it.
type place struct {
	url string
	net *awsfaults.Transport
	api *ssm.Client
}

func newPlace(t *testing.T) place {
	p := place{url: testserver.Moto(t).URL(), net: &awsfaults.Transport{}}
	p.api = ssm.NewFromConfig(p.net.Config(p.url))
	p.names(t, "/none") // moto loads a service at its first call, which may take longer than a ring waits
	return p
}

func (p place) vault(t *testing.T, change ...func(*ssmkeys.Config)) *ssmkeys.Vault {
	t.Helper()
	c := ssmkeys.Config{Client: p.api, Path: path, Logger: silent}
	for _, f := range change {
		f(&c)
	}
	v, err := ssmkeys.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sealed(c *ssmkeys.Config) { c.Sealer = sealer }

// names are the parameters below a path.
func (p place) names(t *testing.T, path string) (names []string) {
	t.Helper()
	pages := ssm.NewGetParametersByPathPaginator(p.api, &ssm.GetParametersByPathInput{Path: &path, Recursive: aws.Bool(true)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, param := range out.Parameters {
			if param.Type != types.ParameterTypeSecureString || len(aws.ToString(param.Value)) == 0 {
				t.Errorf("%s is a %s", aws.ToString(param.Name), param.Type)
			}
			names = append(names, aws.ToString(param.Name))
		}
	}
	return names
}

// TestK4_Suite: the vault keeps the contract, sealed, across two values.
func TestK4_Suite(t *testing.T) {
	p := newPlace(t)
	n := 0
	vaulttest.RunPair(t, func(t *testing.T) (one, other keys.Vault) {
		n++
		at := func(c *ssmkeys.Config) { c.Path = fmt.Sprintf("/suite/%d/keys", n) }
		return p.vault(t, at, sealed), p.vault(t, at, sealed)
	})
}

// TestK3_FirstOpen: of eight processes that start at once on an empty path all have the same keys, while SSM throttles.
func TestK3_FirstOpen(t *testing.T) {
	p := newPlace(t)
	p.net.Fail("", "ThrottlingException", 12)
	p.net.Fail("PutParameter", "TooManyUpdates", 3)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: p.vault(t, sealed), Algorithm: keys.ES256})
			if err != nil {
				t.Error(err)
				return
			}
			key, err := ring.SigningKey(t.Context(), 0)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = key.Public().ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Errorf("several rings: %q", ids)
			break
		}
	}
}

// TestOutage: SSM that is down, throttles for long or denies is keys.ErrUnavailable, and never an empty ring.
func TestOutage(t *testing.T) {
	p := newPlace(t)
	v := p.vault(t, sealed)
	version, err := v.Save(t.Context(), []byte("ring"), "")
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if data, at, err := v.Load(ctx); !errors.Is(err, keys.ErrUnavailable) || data != nil || at != "" {
			t.Errorf("%s: %q at %q, %v", name, data, at, err)
		}
		if _, err := v.Save(ctx, []byte("other"), version); !errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := keys.Open(ctx, keys.RingConfig{Vault: v, Logger: silent}); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.net.SetDown(true)
	check("down")
	p.net.SetDown(false)
	for _, code := range []string{"AccessDeniedException", "InternalServerError", "ThrottlingException", "KMSInvalidStateException"} {
		p.net.Fail("GetParametersByPath", code, 1000)
		check(code)
		p.net = &awsfaults.Transport{}
		p.api = ssm.NewFromConfig(p.net.Config(p.url))
		v = p.vault(t, sealed)
	}
	if data, at, err := v.Load(t.Context()); err != nil || string(data) != "ring" || at != version {
		t.Errorf("afterwards: %q at %q, %v", data, at, err)
	}
}

// TestLostAnswer: where the answer to a save is lost, the vault looks, and returns what happened.
func TestLostAnswer(t *testing.T) {
	p := newPlace(t)
	v := p.vault(t)
	p.net.Lose("PutParameter", 1)
	first, err := v.Save(t.Context(), []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	// A client of the SDK asks again after a lost answer, and finds the name taken.
	c := p.net.Config(p.url)
	c.RetryMaxAttempts = 3
	patient := p.vault(t, func(s *ssmkeys.Config) { s.Client = ssm.NewFromConfig(c) })
	p.net.Lose("PutParameter", 1)
	second, err := patient.Save(t.Context(), []byte("two"), first)
	if err != nil {
		t.Fatal(err)
	}
	if data, at, err := v.Load(t.Context()); err != nil || string(data) != "two" || at != second {
		t.Errorf("%q at %q, %v", data, at, err)
	}
}

// TestSweep: versions leave when they have been out of use for an hour, with their parts and those of saves that died,
// and the one before stays.
func TestSweep(t *testing.T) {
	p := newPlace(t)
	late := time.Duration(0)
	v := p.vault(t, func(c *ssmkeys.Config) { c.Now = func() time.Time { return time.Now().Add(late) } })
	long := func(i int) []byte { // does not compress
		var b bytes.Buffer
		for range 400 {
			fmt.Fprintf(&b, "%s%d", randText(t), i)
		}
		return b.Bytes()
	}
	version := ""
	save := func(data []byte) {
		t.Helper()
		next, err := v.Save(t.Context(), data, version)
		if err != nil {
			t.Fatal(err)
		}
		version = next
	}
	for i := range 4 {
		save(long(i))
	}
	if n := len(p.names(t, path)); n < 4*3 {
		t.Fatalf("%d parameters: too few to see anything", n)
	}
	orphan := path + "/0000000001/DEAD/0"
	if _, err := p.api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &orphan, Value: aws.String("x"), Type: types.ParameterTypeSecureString}); err != nil {
		t.Fatal(err)
	}
	late = time.Hour - time.Minute
	save([]byte("short"))
	if n := p.net.Calls("DeleteParameters"); n != 0 {
		t.Errorf("%d removals within the hour", n)
	}
	late = time.Hour + time.Minute
	p.net.Fail("DeleteParameters", "AccessDeniedException", 1)
	save([]byte("shorter")) // is saved although nothing can be removed
	save([]byte("shortest"))
	for _, name := range p.names(t, path) {
		number := strings.Split(strings.TrimPrefix(name, path+"/"), "/")[0]
		if number < "0000000006" {
			t.Errorf("%s is still there", name)
		}
	}
	if data, at, err := v.Load(t.Context()); err != nil || string(data) != "shortest" || at != version {
		t.Errorf("%q at %q, %v", data, at, err)
	}
}

func randText(t *testing.T) string {
	t.Helper()
	key, err := keys.Generate(keys.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public().ID()
}

// TestSleeper: a process that stands still within a save, while others save and remove the number it is about to use,
// does not report a save that no one sees.
func TestSleeper(t *testing.T) {
	p := newPlace(t)
	awake := p.vault(t, func(c *ssmkeys.Config) { c.Now = func() time.Time { return time.Now().Add(3 * time.Hour) } })
	version, err := awake.Save(t.Context(), []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	late := time.Duration(0)
	net := &awsfaults.Transport{}
	sleeper := p.vault(t, func(c *ssmkeys.Config) {
		c.Client = ssm.NewFromConfig(net.Config(p.url))
		c.Now = func() time.Time { return time.Now().Add(late) }
	})
	net.Before(func(action string) {
		if action != "PutParameter" || late != 0 {
			return
		}
		late = 3 * time.Hour
		at := version
		for i := range 5 {
			if at, err = awake.Save(t.Context(), fmt.Append(nil, i+2), at); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := sleeper.Save(t.Context(), []byte("of the sleeper"), version); err == nil || errors.Is(err, keys.ErrConflict) {
		t.Errorf("the sleeper: %v", err)
	}
	if late == 0 {
		t.Fatal("it did not sleep")
	}
	if data, _, err := sleeper.Load(t.Context()); err != nil || string(data) != "6" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestE2_Copied: a ring that was copied to another path does not open, nor one that is not encrypted, not sealed where
// it must be, or sealed under another key.
func TestE2_Copied(t *testing.T) {
	p := newPlace(t)
	if _, err := p.vault(t, sealed).Save(t.Context(), []byte("ring"), ""); err != nil {
		t.Fatal(err)
	}
	plain := func(c *ssmkeys.Config) { c.Path = "/plain/keys" }
	if _, err := p.vault(t, plain).Save(t.Context(), []byte("ring"), ""); err != nil {
		t.Fatal(err)
	}
	copyTo := func(from, to string, as types.ParameterType, change func(string) string) func(*ssmkeys.Config) {
		t.Helper()
		out, err := p.api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String(from + "/0000000001"), WithDecryption: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		value := change(aws.ToString(out.Parameter.Value))
		if _, err := p.api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(to + "/0000000001"), Value: &value, Type: as}); err != nil {
			t.Fatal(err)
		}
		return func(c *ssmkeys.Config) { c.Path = to }
	}
	same := func(s string) string { return s }
	const secure = types.ParameterTypeSecureString
	for name, v := range map[string]*ssmkeys.Vault{
		"another key":     p.vault(t, func(c *ssmkeys.Config) { c.Sealer = keys.MasterKey(bytes.Repeat([]byte{8}, 32)) }),
		"no key":          p.vault(t),
		"not sealed":      p.vault(t, plain, sealed),
		"copied":          p.vault(t, copyTo("/plain/keys", "/copied/keys", secure, same)),
		"copied, renamed": p.vault(t, copyTo(path, "/renamed/keys", secure, func(s string) string { return strings.ReplaceAll(s, path, "/renamed/keys") }), sealed),
		"open":            p.vault(t, copyTo("/plain/keys", "/open/keys", types.ParameterTypeString, same)),
		"damaged":         p.vault(t, copyTo("/plain/keys", "/damaged/keys", secure, func(s string) string { return strings.Replace(s, `"text":"H`, `"text":"I`, 1) })),
		"no ring":         p.vault(t, copyTo("/plain/keys", "/foreign/keys", secure, func(string) string { return "s3cret" })),
		"another name":    p.vault(t, func(c *ssmkeys.Config) { c.Path = "/shop/prod/auth" }, misplace(t, p)),
	} {
		t.Run(name, func(t *testing.T) { vaulttest.Unreadable(t, v) })
	}
}

// misplace puts something else directly below a path.
func misplace(t *testing.T, p place) func(*ssmkeys.Config) {
	t.Helper()
	if _, err := p.api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/shop/prod/auth/master"), Value: aws.String("x"), Type: types.ParameterTypeSecureString}); err != nil {
		t.Fatal(err)
	}
	return func(*ssmkeys.Config) {}
}

func TestNew_Refusals(t *testing.T) {
	for _, c := range []ssmkeys.Config{
		{Path: path}, {Client: &ssm.Client{}}, {Client: &ssm.Client{}, Path: "shop"}, {Client: &ssm.Client{}, Path: "/"}, {Client: &ssm.Client{}, Path: "/a/"},
		{Client: &ssm.Client{}, Path: "/aws/keys"}, {Client: &ssm.Client{}, Path: "/SSM/keys"}, {Client: &ssm.Client{}, Path: "/" + strings.Repeat("x", 200)},
	} {
		if _, err := ssmkeys.New(c); err == nil {
			t.Errorf("%q is accepted", c.Path)
		}
	}
	v, err := ssmkeys.New(ssmkeys.Config{Client: &ssm.Client{}, Path: path, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, v); text != `ssmkeys.Vault("`+path+`")` {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
