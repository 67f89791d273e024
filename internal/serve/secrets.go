package serve

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/posternauth/postern/secrets"
)

// references returns the secrets that the configuration names: key -> name.
func (c *Config) references() map[string]string {
	all := map[string]string{}
	collect(reflect.ValueOf(c).Elem(), "", all)
	if name, ok := strings.CutPrefix(c.Keys.Seal, secretPrefix); ok {
		all["keys.seal"] = name
	}
	return all
}

func collect(v reflect.Value, path string, all map[string]string) {
	switch {
	case v.Type() == secretType:
		if name := v.Interface().(Secret).Name; name != "" {
			all[path] = name
		}
	case v.Type() == locationType:
		if name := v.Interface().(Location).Name; name != "" {
			all[path] = name
		}
	case v.Type() == timeType:
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if key := v.Type().Field(i).Tag.Get("toml"); key != "" {
				collect(v.Field(i), join(path, key), all)
			}
		}
	case v.Kind() == reflect.Map:
		for it := v.MapRange(); it.Next(); {
			collect(it.Value(), join(path, it.Key().String()), all)
		}
	}
}

// openSecrets reads secrets that the configuration names, at once. names has them by key, as references does.
func (b *builder) openSecrets(names map[string]string) error {
	b.values = map[string]string{}
	if b.dry {
		for _, name := range names {
			b.values[name] = "a secret that was not read"
		}
		for i, source := range b.Secrets.Sources {
			if source != "env" && len(names) > 0 {
				request := SourceRequest{Name: source, Prefix: b.Secrets.Prefix, Plain: b.Secrets.Plain}
				offline(b, b.Offline.Secrets, request, fmt.Sprintf("secrets.sources[%d]", i), "postern config docs explains secrets.prefix")
			}
		}
		return nil
	}
	if len(names) == 0 {
		return nil
	}
	c := secrets.Config{App: b.Secrets.App, Stage: b.Secrets.Stage, Protected: b.Secrets.protected(), Now: b.Now}
	for i, source := range b.Secrets.Sources {
		s, err := b.openSource(source)
		switch {
		case err != nil:
			return fmt.Errorf("secrets.sources: %s: %w", source, err)
		case s == nil:
			b.problem(fmt.Sprintf("secrets.sources[%d]", i), "this program does not read "+source, "remove it, or use another program")
			return nil
		}
		c.Sources = append(c.Sources, s)
	}
	open, err := secrets.Open(c)
	if err != nil {
		b.problem("secrets", strings.TrimPrefix(err.Error(), "secrets: "), "change it")
		return nil
	}
	own := map[string]bool{} // the names of master keys: a fallback stage, which stages share, never gives one
	for key, name := range names {
		own[name] = own[name] || key == "keys.seal" || key == "audit.file_key"
	}
	shared := slices.DeleteFunc(slices.Sorted(maps.Keys(own)), func(name string) bool { return own[name] })
	loadErr := open.Load(b.ctx, shared...)
	for _, key := range slices.Sorted(maps.Keys(names)) {
		get := open.Get
		if own[names[key]] {
			get = open.Own
		}
		value, err := get(b.ctx, names[key])
		switch {
		case errors.Is(err, secrets.ErrMissing):
			b.problem(key, fmt.Sprintf("the secret %s has no value in %s", names[key], strings.Join(b.Secrets.Sources, ", ")), "set it: "+setCommand(b.Config, names[key]))
		case err != nil:
			return fmt.Errorf("%s: %w", key, err)
		case strings.TrimSpace(value) == "":
			b.problem(key, fmt.Sprintf("the secret %s is empty", names[key]), "set it: "+setCommand(b.Config, names[key]))
		}
		b.values[names[key]] = value
	}
	if loadErr != nil && len(b.found) == 0 {
		return loadErr
	}
	return nil
}

// protected are the stages that never use the fallback stage.
func (s Secrets) protected() []string {
	return append([]string{"prod", "production"}, s.Protected...)
}

func (b *builder) openSource(name string) (secrets.Source, error) {
	switch {
	case name == "env":
		return secrets.Environment{LookupEnv: b.LookupEnv}, nil
	case b.OpenSecrets == nil:
		return nil, nil
	}
	return b.OpenSecrets(b.ctx, SourceRequest{Name: name, Prefix: b.Secrets.Prefix, Plain: b.Secrets.Plain})
}

// setCommand is what sets a secret in the last source that can be written.
func setCommand(c *Config, name string) string {
	for _, source := range slices.Backward(c.Secrets.Sources) {
		if source == "env" {
			continue
		}
		place := "--in " + source + ":" + cmp.Or(c.Secrets.Prefix, "/sst") // the default of both sources
		if data, sealed := strings.CutPrefix(source, "sealed:"); sealed {
			place = "--data " + data
		}
		return fmt.Sprintf("postern secrets set %s --app %s --stage %s %s", name, c.Secrets.App, c.Secrets.Stage, place)
	}
	return fmt.Sprintf("the variable %s, or the file that %s_FILE names", name, name)
}
