package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/secrets"
)

// A Secret is a reference to a secret, written secret:NAME. It holds no value, so that a Config can be printed.
type Secret struct{ Name string }

// IsZero reports whether there is no reference.
func (s Secret) IsZero() bool { return s.Name == "" }

// A Location is a URL, or a reference to a secret that is one. The URL may have come with a password from a variable:
// it is not printed.
type Location struct {
	url string
	Secret
}

// IsZero reports whether the location is not set.
func (l Location) IsZero() bool { return l.url == "" && l.Secret.IsZero() }

// Scheme is what stands before the first colon: sqlite, postgres, ... It is empty for a secret, which was not read.
func (l Location) Scheme() string {
	scheme, _, _ := strings.Cut(l.url, ":")
	return scheme
}

// String returns the scheme alone.
func (l Location) String() string {
	if !l.Secret.IsZero() {
		return secretPrefix + l.Name
	}
	return l.Scheme() + ":..."
}

// GoString and LogValue return what String does.
func (l Location) GoString() string     { return l.String() }
func (l Location) LogValue() slog.Value { return slog.StringValue(l.String()) }

const secretPrefix = "secret:"

var (
	variable = regexp.MustCompile(`\$\{([^}]*)\}?`)
	varName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// expand replaces the variables of a text. from names those that it had.
func expand(text string, lookup func(string) (string, bool)) (out string, from []string, p *Problem) {
	out = variable.ReplaceAllStringFunc(text, func(whole string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(whole, "${"), "}")
		from = append(from, name)
		switch value, set := "", false; {
		case p != nil:
		case !varName.MatchString(name) || !strings.HasSuffix(whole, "}"):
			p = &Problem{Text: fmt.Sprintf("%s is no variable", whole), Next: "write ${NAME}; there are no defaults, as in ${NAME:-default}"}
		default:
			if value, set = lookup(name); set {
				return value
			}
			p = &Problem{Text: fmt.Sprintf("the variable %s of the environment is not set", name), Next: "set " + name + ", to empty if there is none, or write the value into the file"}
		}
		return ""
	})
	return out, from, p
}

// reference reads secret:NAME.
func reference(text string) (Secret, error) {
	name, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return Secret{}, fmt.Errorf("a secret does not stand in the file")
	}
	if err := secrets.CheckName(name); err != nil {
		return Secret{}, fmt.Errorf("%s is no name of a secret", secretPrefix+"...")
	}
	return Secret{name}, nil
}

// location reads a URL that has no password in the file. literal is false if a variable gave a piece of it.
func location(text string, literal bool) (Location, error) {
	if strings.HasPrefix(text, secretPrefix) {
		s, err := reference(text)
		return Location{Secret: s}, err
	}
	if literal && holdsPassword(text) {
		return Location{}, fmt.Errorf("the URL has a password in it")
	}
	return Location{url: text}, nil
}

// holdsPassword reports whether a URL carries a password. One that cannot be read may have one.
func holdsPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	if _, has := u.User.Password(); has {
		return true
	}
	q := u.Query()
	return q.Has("password") || q.Has("sslpassword")
}

// writesPassword reports whether a text with variables has a password, or a piece of one, that no variable gave.
func writesPassword(text string) bool {
	const stand = "0000000000" // a port could be one, too
	plain := variable.ReplaceAllString(text, stand)
	if strings.HasPrefix(text, "${") {
		plain = "x" + plain
	}
	u, err := url.Parse(plain)
	if err != nil {
		return strings.Contains(plain, "@")
	}
	password, _ := u.User.Password()
	given := []string{password}
	for _, name := range []string{"password", "sslpassword"} {
		given = append(given, u.Query()[name]...)
	}
	return strings.Trim(strings.ReplaceAll(strings.Join(given, ""), stand, ""), " ") != ""
}

const day = 24 * time.Hour

// duration reads "90s", "5m", "12h" and "30d", and combinations that time.ParseDuration reads.
func duration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%.40q is no duration", text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return 0, bad
		}
		return time.Duration(n) * day, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// splitList reads the entries of a list that is one text: with commas, or as a JSON array, where an entry may have a
// comma in it.
func splitList(text string) ([]string, error) {
	var entries []string
	if !strings.HasPrefix(text, "[") {
		entries = strings.Split(text, ",")
	} else if err := json.Unmarshal([]byte(text), &entries); err != nil || len(entries) == 0 {
		return nil, errors.New("the list begins with [ and is not a JSON array of texts")
	}
	for i := range entries {
		if entries[i] = strings.TrimSpace(entries[i]); entries[i] == "" {
			return nil, errors.New("the list has an empty entry")
		}
	}
	return entries, nil
}

// addsComma reports whether a variable that is a part of a text has given it a comma. The author of the file counts on
// the entries that the file shows; a variable that is the whole text may have any number of them.
func addsComma(text, expanded string) bool {
	return variable.FindString(text) != strings.TrimSpace(text) && strings.Count(expanded, ",") > strings.Count(text, ",")
}

// ambiguousComma reports whether a list of addresses with commas can be read in two ways: a comma may stand in a query
// or a fragment, and only white space beside it, which no address has, shows that it separates.
func ambiguousComma(text string) bool {
	if strings.HasPrefix(text, "[") {
		return false
	}
	entries := strings.Split(text, ",")
	for i := range len(entries) - 1 {
		spaced := strings.TrimRight(entries[i], " \t\r\n") != entries[i] || strings.TrimLeft(entries[i+1], " \t\r\n") != entries[i+1]
		if strings.ContainsAny(entries[i], "?#") && !spaced {
			return true
		}
	}
	return false
}
