package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrMissing is the error for a name without a value. Its text names what sets one.
var ErrMissing = errors.New("secrets: no value")

// Config of Secrets. App, Stage and Sources are required.
type Config struct {
	App   string // of the values. See Key
	Stage string // such as "prod" or "pr-7". See Key

	// Sources are asked in this order, and the first that has a value gives it. A source is asked only if those before
	// it answered that they do not have the value.
	Sources []Source

	// Protected are the stages that never use a value of the fallback stage, and neither do stages whose name goes on
	// with "-", "_" or "." after one of these, such as "prod-eu". Letter case does not matter.
	//
	// Defaults to "prod" and "production".
	Protected []string

	// TTL is how long a value is used before it is fetched again. If the source then fails, or has no value any more,
	// the answer is the error.
	//
	// Defaults to 0: as long as the process lives.
	TTL time.Duration

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// Secrets are the values of one application and stage. They are safe for concurrent use.
type Secrets struct {
	app, stage string
	sources    []Source
	fallback   bool
	ttl        time.Duration
	now        func() time.Time

	mu     sync.Mutex
	values map[Key]kept
	turn   chan struct{} // holds one token: one fetch at a time
}

type kept struct {
	value string
	at    time.Time
}

// Open checks the configuration. It asks no source. The error lists every problem.
func Open(c Config) (*Secrets, error) {
	errs := []error{checkPart("App", c.App), checkPart("Stage", c.Stage)}
	if len(c.Sources) == 0 || slices.Contains(c.Sources, nil) {
		errs = append(errs, errors.New("secrets: Config.Sources is empty, or has nil: name where the values are"))
	}
	if c.TTL < 0 {
		errs = append(errs, fmt.Errorf("secrets: Config.TTL is negative (%v)", c.TTL))
	}
	for _, stage := range c.Protected {
		if checkPart("Protected", stage) != nil {
			errs = append(errs, fmt.Errorf("secrets: Config.Protected: %q is no stage", stage))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Protected == nil {
		c.Protected = []string{"prod", "production"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	protected := slices.ContainsFunc(c.Protected, func(stage string) bool {
		rest, found := strings.CutPrefix(strings.ToLower(c.Stage), strings.ToLower(stage))
		return found && (rest == "" || strings.ContainsRune("-_.", rune(rest[0])))
	})
	return &Secrets{app: c.App, stage: c.Stage, sources: slices.Clone(c.Sources), fallback: !protected, ttl: c.TTL, now: c.Now,
		values: map[Key]kept{}, turn: make(chan struct{}, 1)}, nil
}

// Get returns the secret of a name: that of the stage, or else that of the fallback stage. Errors:
//
//   - ErrMissing: no source has a value
//   - an error of a source, which says nothing about the value
//   - the end of ctx
func (s *Secrets) Get(ctx context.Context, name string) (string, error) {
	return s.one(ctx, Secret, name, s.fallback)
}

// Own is Get without the fallback stage: for keys and master secrets, which two stages must never share.
func (s *Secrets) Own(ctx context.Context, name string) (string, error) {
	return s.one(ctx, Secret, name, false)
}

// Parameter is Get for a parameter.
func (s *Secrets) Parameter(ctx context.Context, name string) (string, error) {
	return s.one(ctx, Parameter, name, s.fallback)
}

// Load fetches the secrets of several names at once, so that later calls of Get need no source. Its error names every
// name that has no value.
func (s *Secrets) Load(ctx context.Context, names ...string) error {
	_, err := s.get(ctx, Secret, names, s.fallback)
	return err
}

func (s *Secrets) one(ctx context.Context, kind Kind, name string, fallback bool) (string, error) {
	values, err := s.get(ctx, kind, []string{name}, fallback)
	return values[name], err
}

// get returns the values of names. Those that are kept need no turn.
func (s *Secrets) get(ctx context.Context, kind Kind, names []string, fallback bool) (map[string]string, error) {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return nil, err
		}
	}
	values := map[string]string{}
	if s.cached(kind, names, fallback, values) {
		return values, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("secrets: %w", ctx.Err())
	}
	if s.cached(kind, names, fallback, values) { // fetched while this call waited
		return values, nil
	}
	var missing []error
	open := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))), func(name string) bool { _, ok := values[name]; return ok })
	found, err := s.fetch(ctx, kind, open, fallback)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range open {
		key, ok := found[name]
		if !ok {
			missing = append(missing, s.missing(kind, name))
			continue
		}
		s.values[key.key] = kept{key.value, s.now()}
		values[name] = key.value
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	return values, nil
}

// cached fills values with what is kept and young enough. It reports whether that is all.
func (s *Secrets) cached(kind Kind, names []string, fallback bool, values map[string]string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := true
	for _, name := range names {
		found := false
		for _, key := range s.keys(kind, name, fallback) {
			if v, ok := s.values[key]; ok && (s.ttl == 0 || s.now().Sub(v.at) < s.ttl) {
				values[name], found = v.value, true
				break
			}
		}
		all = all && found
	}
	return all
}

// keys are those that can give the value of a name, the best first.
func (s *Secrets) keys(kind Kind, name string, fallback bool) []Key {
	keys := []Key{{s.app, s.stage, kind, name}}
	if fallback {
		keys = append(keys, Key{s.app, FallbackStage, kind, name})
	}
	return keys
}

type foundValue struct {
	key   Key
	value string
}

// fetch asks the sources one after the other for the names that are still open. A value of the stage in a later source
// wins over one of the fallback stage in an earlier source.
func (s *Secrets) fetch(ctx context.Context, kind Kind, names []string, fallback bool) (map[string]foundValue, error) {
	own, shared := map[string]foundValue{}, map[string]foundValue{}
	for _, source := range s.sources {
		var asked []Key
		for _, name := range names {
			if _, ok := own[name]; !ok {
				asked = append(asked, s.keys(kind, name, fallback)...)
			}
		}
		if len(asked) == 0 {
			break
		}
		answer, err := source.Lookup(ctx, asked)
		if err != nil {
			return nil, fmt.Errorf("secrets: %s: %w", strings.Join(names, ", "), err)
		}
		for _, key := range asked {
			value, ok := answer[key]
			if !ok {
				continue
			}
			if value == "" {
				return nil, fmt.Errorf("secrets: the value of %s is empty: set it with %s, or remove it", key, command(key, source))
			}
			into := own
			if key.Stage == FallbackStage {
				into = shared
			}
			if _, ok := into[key.Name]; !ok {
				into[key.Name] = foundValue{key, value}
			}
		}
	}
	maps.Copy(shared, own)
	return shared, nil
}

func (s *Secrets) missing(kind Kind, name string) error {
	key := Key{s.app, s.stage, kind, name}
	return fmt.Errorf("%w for %s: set it with %s", ErrMissing, key, command(key, s.sources[len(s.sources)-1]))
}

// command is what sets the value of a key in a source.
func command(k Key, source Source) string {
	switch source.(type) {
	case Environment, *Environment:
		return "the variable " + k.Name + ", or the file that " + k.Name + "_FILE names"
	}
	text := "postern secrets set " + k.Name + " --app " + k.App
	if k.Stage == FallbackStage {
		text += " --fallback"
	} else {
		text += " --stage " + k.Stage
	}
	if k.Kind == Parameter {
		text += " --parameter"
	}
	if place, ok := source.(interface{ SetFlags() string }); ok {
		text += " " + place.SetFlags()
	}
	return text
}

// Format writes the name of the application and the stage, whatever the verb.
func (s *Secrets) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.name()) }

// LogValue is what Format writes.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue(s.name()) }

func (s *Secrets) name() string { return "secrets of " + s.app + "/" + s.stage }
