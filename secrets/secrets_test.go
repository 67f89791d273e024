package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
)

// A memory is a source whose values are those of a map, by "stage/NAME".
type memory struct {
	mu     sync.Mutex
	values map[string]string
	err    error
	asked  int
	hang   chan struct{}
}

func (m *memory) Lookup(ctx context.Context, all []secrets.Key) (map[secrets.Key]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.hang != nil {
		select {
		case <-m.hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	found := map[secrets.Key]string{}
	for _, key := range all {
		if v, ok := m.values[key.Stage+"/"+key.Name]; ok {
			found[key] = v
		}
	}
	return found, nil
}

func open(t *testing.T, stage string, sources ...secrets.Source) *secrets.Secrets {
	t.Helper()
	s, err := secrets.Open(secrets.Config{App: "shop", Stage: stage, Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wants(t *testing.T, want string) func(string, error) {
	t.Helper()
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

// TestE1_FailingSource: a source that fails is an error, also where a later source has a value, and it is not kept.
func TestE1_FailingSource(t *testing.T) {
	throttled := errors.New("ThrottlingException")
	first, second := &memory{err: throttled}, &memory{values: map[string]string{"dev/ID": "of the environment", ".fallback/ID": "shared"}}
	s := open(t, "dev", first, second)
	for range 3 {
		if v, err := s.Get(t.Context(), "ID"); !errors.Is(err, throttled) || errors.Is(err, secrets.ErrMissing) || v != "" {
			t.Fatalf("%q, %v", v, err)
		}
	}
	if second.asked != 0 {
		t.Error("the second source was asked, though the first did not say that it has no value")
	}
	first.err = nil
	wants(t, "of the environment")(s.Get(t.Context(), "ID"))
	first.err = throttled // a value that is kept needs no source
	wants(t, "of the environment")(s.Get(t.Context(), "ID"))
}

// TestE1_Fallback: a value of the fallback stage is used by a stage that has none, never by a protected one, and never
// for a key.
func TestE1_Fallback(t *testing.T) {
	for _, stage := range []string{"prod", "production", "prod-eu", "Prod", "PRODUCTION", "prod_eu", "prod.eu"} {
		s := open(t, stage, &memory{values: map[string]string{".fallback/ID": "shared"}})
		_, err := s.Get(t.Context(), "ID")
		if !errors.Is(err, secrets.ErrMissing) || !strings.Contains(err.Error(), "postern secrets set ID --app shop --stage "+stage) {
			t.Errorf("%s: %v", stage, err)
		}
	}
	wants(t, "shared")(open(t, "products", &memory{values: map[string]string{".fallback/ID": "shared"}}).Get(t.Context(), "ID"))
	s := open(t, "pr-7", &memory{values: map[string]string{".fallback/ID": "shared", ".fallback/OTHER": "x", "pr-7/OTHER": "own"}})
	wants(t, "shared")(s.Get(t.Context(), "ID"))
	wants(t, "own")(s.Get(t.Context(), "OTHER"))
	if _, err := s.Own(t.Context(), "ID"); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("a key of the fallback stage: %v", err)
	}
	// The stage of a later source wins over the fallback stage of an earlier one.
	s = open(t, "pr-7", &memory{values: map[string]string{".fallback/ID": "shared"}}, &memory{values: map[string]string{"pr-7/ID": "own"}})
	wants(t, "own")(s.Get(t.Context(), "ID"))
	none, err := secrets.Open(secrets.Config{App: "shop", Stage: "prod", Protected: []string{"live"}, Sources: []secrets.Source{&memory{values: map[string]string{".fallback/ID": "shared"}}}})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "shared")(none.Get(t.Context(), "ID"))
}

// TestE2_Parts: what cannot be a part of a path is refused before any source is asked.
func TestE2_Parts(t *testing.T) {
	m := &memory{values: map[string]string{}}
	for _, part := range []string{"", "..", ".", "../x", "a/b", "/", ".fallback", "a b", "a\x00b", "é", strings.Repeat("a", 65), "%2e%2e", "a\\b", "a\n"} {
		for _, c := range []secrets.Config{{App: part, Stage: "dev"}, {App: "shop", Stage: part}} {
			if c.Sources = []secrets.Source{m}; part == "" || c.App != "" {
				if _, err := secrets.Open(c); err == nil {
					t.Errorf("app %q, stage %q is accepted", c.App, c.Stage)
				}
			}
		}
	}
	s := open(t, "dev", m)
	for _, name := range []string{"", "..", "../ID", "a/b", "/", ".fallback", "A-B", "1A", "A B", "A\nB", "A\x00", "é", strings.Repeat("A", 129), "A=B"} {
		if _, err := s.Get(t.Context(), name); err == nil || errors.Is(err, secrets.ErrMissing) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if m.asked != 0 {
		t.Errorf("the source was asked %d times", m.asked)
	}
}

// TestE2_Bound: a value opens for its own application, stage, kind and name alone.
func TestE2_Bound(t *testing.T) {
	key := secrets.Key{App: "shop", Stage: "dev", Kind: secrets.Secret, Name: "ID"}
	text, err := secrets.Bind(key, `a "value" of {} \`)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []bool{false, true} {
		wants(t, `a "value" of {} \`)(secrets.Unbind(key, text, plain))
		for _, other := range []secrets.Key{
			{App: "shop2", Stage: "dev", Kind: secrets.Secret, Name: "ID"}, {App: "shop", Stage: "prod", Kind: secrets.Secret, Name: "ID"},
			{App: "shop", Stage: secrets.FallbackStage, Kind: secrets.Secret, Name: "ID"}, {App: "shop", Stage: "dev", Kind: secrets.Parameter, Name: "ID"},
			{App: "shop", Stage: "dev", Kind: secrets.Secret, Name: "ID2"},
		} {
			if v, err := secrets.Unbind(other, text, plain); !errors.Is(err, secrets.ErrBound) || v != "" {
				t.Errorf("%v: %q, %v", other, v, err)
			}
		}
	}
	if _, err := secrets.Unbind(key, "from the console", false); err == nil {
		t.Error("a plain value is accepted")
	}
	wants(t, "from the console")(secrets.Unbind(key, "from the console", true))
}

// TestGet_Once: of many calls at once one asks, a call that gives up leaves the others their answer, and missing values
// are asked for again.
func TestGet_Once(t *testing.T) {
	m := &memory{values: map[string]string{"dev/ID": "x"}, hang: make(chan struct{})}
	s := open(t, "dev", m)
	gone, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	first := make(chan error)
	go func() { _, err := s.Get(gone, "ID"); first <- err }()
	for range 100 {
		all.Go(func() { wants(t, "x")(s.Get(t.Context(), "ID")) })
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	close(m.hang)
	all.Wait()
	if m.asked > 2 {
		t.Errorf("asked %d times", m.asked)
	}
	before := m.asked
	for i := range 2 {
		if _, err := s.Get(t.Context(), "NEW"); !errors.Is(err, secrets.ErrMissing) || m.asked != before+1+i {
			t.Errorf("%v after %d calls", err, m.asked)
		}
	}
}

// TestLoad: several names are one call, and the error names each that is missing.
func TestLoad(t *testing.T) {
	m := &memory{values: map[string]string{"dev/A": "a", "dev/B": "b"}}
	s := open(t, "dev", m)
	err := s.Load(t.Context(), "A", "C", "B", "D", "A")
	if !errors.Is(err, secrets.ErrMissing) || !strings.Contains(err.Error(), "set C ") || !strings.Contains(err.Error(), "set D ") || strings.Contains(err.Error(), "set A ") {
		t.Errorf("%v", err)
	}
	wants(t, "a")(s.Get(t.Context(), "A"))
	wants(t, "b")(s.Get(t.Context(), "B"))
	if m.asked != 1 {
		t.Errorf("asked %d times", m.asked)
	}
}

// TestTTL: a value that is too old is fetched again, and is not used if that fails.
func TestTTL(t *testing.T) {
	m := &memory{values: map[string]string{"dev/A": "a"}}
	now := time.Unix(1e9, 0)
	s, err := secrets.Open(secrets.Config{App: "shop", Stage: "dev", Sources: []secrets.Source{m}, TTL: time.Minute, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "a")(s.Get(t.Context(), "A"))
	m.values["dev/A"] = "b"
	now = now.Add(59 * time.Second)
	wants(t, "a")(s.Get(t.Context(), "A"))
	now = now.Add(time.Hour)
	m.err = errors.New("down")
	if v, err := s.Get(t.Context(), "A"); !errors.Is(err, m.err) || v != "" {
		t.Errorf("%q, %v", v, err)
	}
	m.err = nil
	wants(t, "b")(s.Get(t.Context(), "A"))
}

// TestE3_NoValueInText: no verb of package fmt and no logger shows a value.
func TestE3_NoValueInText(t *testing.T) {
	m := &memory{values: map[string]string{"dev/A": "a canary"}}
	s := open(t, "dev", m)
	wants(t, "a canary")(s.Get(t.Context(), "A"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

// TestSealed: values of a vault are set, listed and removed, by two programs at once, and a document of another kind is
// refused.
func TestSealed(t *testing.T) {
	vault := &keys.MemoryVault{}
	sealed := secrets.Sealed{Vault: vault}
	key := func(name string) secrets.Key {
		return secrets.Key{App: "shop", Stage: "dev", Kind: secrets.Secret, Name: name}
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := sealed.Set(t.Context(), key(fmt.Sprint("N", i)), fmt.Sprint("value ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := sealed.List(t.Context(), "shop", "dev")
	if err != nil || len(list) != 20 || list[0].Key.Name != "N0" || list[0].Changed.IsZero() {
		t.Fatalf("%v, %v", list, err)
	}
	wants(t, "value 7")(open(t, "dev", sealed).Get(t.Context(), "N7"))
	if _, err := open(t, "stage2", sealed).Get(t.Context(), "N7"); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("another stage: %v", err)
	}
	if err := sealed.Remove(t.Context(), key("N7")); err != nil {
		t.Error(err)
	}
	if err := sealed.Remove(t.Context(), key("N7")); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("twice: %v", err)
	}
	for _, value := range []string{"", strings.Repeat("x", secrets.MaxValue+1), "\xff\xfek\x00"} { // JSON would change the last
		if err := sealed.Set(t.Context(), key("N1"), value); err == nil {
			t.Errorf("a value of %d bytes is set", len(value))
		}
		if text, err := secrets.Bind(key("N1"), value); err == nil {
			t.Errorf("a value of %d bytes is bound: %q", len(value), text)
		}
	}
	ring := &keys.MemoryVault{}
	if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: ring}); err != nil {
		t.Fatal(err)
	}
	if _, err := (secrets.Sealed{Vault: ring}).Lookup(t.Context(), []secrets.Key{key("N1")}); err == nil {
		t.Error("the document of a ring is read")
	}
	if err := (secrets.Sealed{Vault: ring}).Set(t.Context(), key("N1"), "x"); err == nil {
		t.Error("the document of a ring is overwritten")
	}
}

// placed is a source with a place.
type placed struct{ *memory }

func (placed) SetFlags() string { return "--in ssm:/sst" }

// TestMissing_Environment: no command sets what only the environment gives.
func TestMissing_Environment(t *testing.T) {
	for name, value := range map[string]string{"missing": "", "empty": "ID"} {
		environment := secrets.Environment{LookupEnv: func(name string) (string, bool) { return "", name == value }}
		_, err := open(t, "dev", environment).Get(t.Context(), "ID")
		if err == nil || !strings.Contains(err.Error(), "set it with the variable ID, or the file that ID_FILE names") || strings.Contains(err.Error(), "postern secrets") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMissing_Place: the command of the error writes to the source that is read.
func TestMissing_Place(t *testing.T) {
	_, err := open(t, "dev", &memory{}, placed{&memory{}}).Get(t.Context(), "ID")
	if !errors.Is(err, secrets.ErrMissing) || !strings.HasSuffix(err.Error(), "postern secrets set ID --app shop --stage dev --in ssm:/sst") {
		t.Error(err)
	}
}
