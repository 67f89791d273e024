package secrets

import (
	"errors"
	"fmt"
	"strings"
)

// FallbackStage is the stage whose values are used by stages that have none.
const FallbackStage = ".fallback"

// A Kind says what a value is.
type Kind string

// The kinds of values. A [Secret] is shown to nobody. A [Parameter] may be shown, such as the address of a service.
const (
	Secret    Kind = "Secret"
	Parameter Kind = "Parameter"
)

// A Key names a value. Its parts are checked by [Key.Check].
type Key struct {
	App   string // application: 1 to 64 letters, digits, "-", "_" and "."; no "." in front
	Stage string // like App, or FallbackStage
	Kind  Kind
	Name  string // a letter or "_", then letters, digits and "_"; up to 128 characters: what the environment can have
}

// Path returns where the value of the key lies below prefix, in the layout of SST: "/sst/shop/prod/Secret/NAME/value".
func (k Key) Path(prefix string) string {
	return prefix + "/" + k.App + "/" + k.Stage + "/" + string(k.Kind) + "/" + k.Name + "/value"
}

// KeyAt returns the key of an application and a stage whose value lies at a path below prefix. ok is false for a path
// of something else.
func KeyAt(prefix, app, stage, path string) (key Key, ok bool) {
	parts := strings.Split(strings.TrimPrefix(path, prefix+"/"+app+"/"+stage+"/"), "/")
	if len(parts) != 3 {
		return Key{}, false
	}
	key = Key{App: app, Stage: stage, Kind: Kind(parts[0]), Name: parts[1]}
	return key, key.Check() == nil && key.Path(prefix) == path
}

// CheckPrefix returns an error for a prefix of paths that is not "/" and letters, digits, "-", "_" and ".", once or
// more.
func CheckPrefix(prefix string) error {
	for i, part := range strings.Split(prefix, "/") {
		bad := strings.ContainsFunc(part, func(r rune) bool { return !letter(r) && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r) })
		if (i == 0) != (part == "") || bad || i == 0 && prefix == "" {
			return fmt.Errorf("secrets: prefix %.80q: use \"/\" and letters, digits, \"-\", \"_\" and \".\", such as \"/shop\"", prefix)
		}
	}
	return nil
}

// String returns the key without its value, for people: "NAME (shop/prod)".
func (k Key) String() string { return k.Name + " (" + k.App + "/" + k.Stage + ")" }

// scope is what a value is bound to.
func (k Key) scope() string {
	return strings.Join([]string{k.App, k.Stage, string(k.Kind), k.Name}, "/")
}

// Check returns an error for a key whose parts cannot be a part of a path. Parts are never cleaned: what is not written
// right is refused.
func (k Key) Check() error {
	if err := checkPart("App", k.App); err != nil {
		return err
	}
	if k.Stage != FallbackStage {
		if err := checkPart("Stage", k.Stage); err != nil {
			return err
		}
	}
	if k.Kind != Secret && k.Kind != Parameter {
		return fmt.Errorf("secrets: kind %q: use Secret or Parameter", k.Kind)
	}
	return CheckName(k.Name)
}

// CheckName returns an error for a name that no value can have.
func CheckName(name string) error {
	bad := func(r rune) bool { return !letter(r) && (r < '0' || r > '9') && r != '_' }
	switch {
	case name == "":
		return errors.New("secrets: the name is empty")
	case len(name) > 128 || name[0] >= '0' && name[0] <= '9' || strings.ContainsFunc(name, bad):
		return fmt.Errorf("secrets: name %.140q: use a letter, then letters, digits and \"_\", 128 characters at most", name)
	}
	return nil
}

func checkPart(what, part string) error {
	bad := func(r rune) bool { return !letter(r) && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r) }
	switch {
	case part == "":
		return fmt.Errorf("secrets: Config.%s is empty", what)
	case len(part) > 64 || part[0] == '.' || strings.ContainsFunc(part, bad):
		return fmt.Errorf("secrets: Config.%s %.80q: use letters, digits, \"-\", \"_\" and \".\", 64 characters at most, and no \".\" in front", what, part)
	}
	return nil
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
