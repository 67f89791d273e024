package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/posternauth/postern"

// pkg is what `go list -json` says of a package, as far as the rules need it.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func (p pkg) room() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func list(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-tags", "lambda.norpc", "-deps", "-json=ImportPath,Standard,Imports,Deps", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// within reports whether a room is one of the folders or below one.
func within(room string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return room == f || strings.HasPrefix(room, f+"/") })
}

// ours reports the room of an import path of this module.
func ours(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// signIn lists the packages that sign people in: the core never imports them, and they never import each other.
var signIn = []string{"oauth", "oidc", "magic", "password", "totp", "passkey"}

// tools are packages below a sign-in package that are for any user table, and no part of it.
var tools = []string{"password/hash", "password/policy", "password/wordlist", "password/common8"}

// support lists what serves tests, commands and the repository itself: no package of the library imports it.
var support = []string{"internal/test", "cmd", "examples", "infra", "posterntest", "store/storetest", "keys/vaulttest", "lambdahttp/lambdatest", "provision/auth0test"}

func library(p pkg) bool {
	_, own := ours(p.ImportPath)
	return own && !within(p.room(), support...)
}

// heavy is where a dependency beyond the standard library lives: in one package, so that who does not import that one
// does not link it. Values are what their import paths begin with.
var heavy = map[string][]string{
	"gateway":         {"github.com/aws/aws-lambda-go/"},
	"lambdahttp":      {"github.com/aws/aws-lambda-go/"},
	"internal/doctor": {"go.yaml.in/yaml/v3"},
	"internal/serve/metrics": {"github.com/prometheus/", "github.com/beorn7/perks/", "github.com/cespare/xxhash/v2", "github.com/munnerz/goautoneg",
		"google.golang.org/protobuf/", "golang.org/x/sys/"},
	"internal/serve/run": {"github.com/prometheus/", "github.com/beorn7/perks/", "github.com/cespare/xxhash/v2", "github.com/munnerz/goautoneg",
		"google.golang.org/protobuf/", "golang.org/x/sys/"},
	"passkey": {"github.com/go-webauthn/", "github.com/fxamacker/cbor/v2", "github.com/x448/float16", "github.com/go-viper/mapstructure/v2", "github.com/golang-jwt/jwt/v5",
		"github.com/google/go-tpm/", "github.com/google/uuid", "github.com/philhofer/fwd", "github.com/tinylib/msgp/", "golang.org/x/crypto/", "golang.org/x/sys/"},
	"password/common8":   {"golang.org/x/text/"},
	"password":           {"golang.org/x/crypto/", "golang.org/x/sys/cpu", "golang.org/x/text/"},
	"password/hash":      {"golang.org/x/crypto/", "golang.org/x/sys/cpu", "golang.org/x/text/"},
	"totp":               {"rsc.io/qr"},
	"telemetry":          {"go.opentelemetry.io/otel", "github.com/cespare/xxhash/v2"},
	"ui":                 {"golang.org/x/text/"},
	"users/foreign":      {"golang.org/x/crypto/", "golang.org/x/sys/cpu", "golang.org/x/text/"},
	"password/policy":    {"golang.org/x/text/"},
	"password/wordlist":  {"golang.org/x/text/"},
	"secrets/ssmsecrets": {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"secrets/smsecrets":  {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"internal/awsvault":  {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"internal/plainbody": {"github.com/aws/smithy-go"},
	"keys/kmskeys":       {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"keys/smkeys":        {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"keys/ssmkeys":       {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"sesmail":            {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"store/dynamostore":  {"github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go"},
	"store/redisstore":   {"github.com/redis/go-redis/v9", "github.com/cespare/xxhash/v2", "github.com/dgryski/go-rendezvous", "go.uber.org/atomic", "golang.org/x/sys/cpu"},
}

// served is `postern serve` without its engines: it is above every package that signs people in, and links what they
// link. It has no engine of a store and no SDK.
const served = "internal/serve"

func init() {
	heavy[served] = slices.Concat([]string{"github.com/pelletier/go-toml/v2"},
		heavy["passkey"], heavy["password"], heavy["password/common8"], heavy["totp"], heavy["ui"])
}

// TestImports_StandardLibraryOnly: the library links the standard library alone, and the dependency that a package is
// there for.
func TestImports_StandardLibraryOnly(t *testing.T) {
	all := list(t)
	checked := 0
	for _, p := range all {
		if !library(p) {
			continue
		}
		checked++
		for _, dep := range p.Deps {
			if _, own := ours(dep); own || all[dep].Standard {
				continue
			}
			if slices.ContainsFunc(heavy[p.room()], func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
				if strings.HasPrefix(dep, "github.com/aws/aws-sdk-go-v2/config") { // links a dozen services for where credentials may come from
					t.Errorf("%s links %s: clients are passed in", p.ImportPath, dep)
				}
				continue
			}
			t.Errorf("%s links %s: only the standard library is allowed here", p.ImportPath, dep)
		}
		// Package ui has pages that other people theme: the escaping by context of html/template is worth its size
		// there.
		if p.room() != "ui" && p.room() != served && slices.Contains(p.Deps, "html/template") {
			t.Errorf("%s links html/template, which keeps the linker from dropping unused methods: draw with html.EscapeString", p.ImportPath)
		}
	}
	if checked < 8 {
		t.Fatalf("only %d packages checked: the list is wrong", checked)
	}
}

// TestImports_Direction: store <- keys <- session <- postern <- sign-in packages. keys knows the interface of a store
// and no engine.
func TestImports_Direction(t *testing.T) {
	forbidden := map[string][]string{ // a room -> what it must not link
		"store":      append([]string{"keys", "session", ""}, signIn...),
		"keys":       append([]string{"store/sqlstore", "store/redisstore", "store/dynamostore", "session", ""}, signIn...),
		"session":    append([]string{""}, signIn...),
		"":           signIn,
		"internal/*": signIn,
		"smtpmail":   signIn, // it sends the mails of any of them, and knows none
		"sesmail":    signIn,
		"secrets":    append([]string{"session", ""}, signIn...),
		"audit":      append([]string{""}, signIn...),
		"telemetry":  append([]string{""}, signIn...),
	}
	for _, name := range signIn {
		forbidden[name] = slices.DeleteFunc(slices.Clone(signIn), func(s string) bool { return s == name })
	}
	for _, name := range tools {
		forbidden[name] = append([]string{"", "store", "keys", "session", "internal"}, signIn...) // for any user table
	}
	for room := range forbidden { // the directory is above the root, and apart from the sign-in packages
		forbidden[room] = append(slices.Clip(forbidden[room]), "users")
	}
	forbidden["users"] = signIn
	forbidden[served] = []string{"store/sqlstore", "store/redisstore", "store/dynamostore", "secrets/ssmsecrets", "secrets/smsecrets", "sesmail"}
	for _, p := range list(t) {
		if !library(p) {
			continue
		}
		room := p.room()
		rule := forbidden[strings.SplitN(room, "/", 2)[0]]
		if within(room, "internal") {
			rule = forbidden["internal/*"]
		}
		if exact, ok := forbidden[room]; ok {
			rule = exact
		}
		for _, dep := range p.Deps {
			other, own := ours(dep)
			if !own {
				continue
			}
			if slices.ContainsFunc(rule, func(f string) bool {
				return other == f || f != "" && within(other, f) && !slices.Contains(tools, other)
			}) {
				t.Errorf("%s links %s, which is above it in the house", p.ImportPath, dep)
			}
			if within(other, support...) {
				t.Errorf("%s links %s, which is for tests and commands", p.ImportPath, dep)
			}
		}
	}
}

// TestImports_NobodyImportsCommands: cmd, infra, examples and bench are ends, not means.
func TestImports_NobodyImportsCommands(t *testing.T) {
	for _, p := range list(t) {
		if _, own := ours(p.ImportPath); !own {
			continue
		}
		for _, dep := range p.Imports {
			other, own := ours(dep)
			if own && within(other, "cmd", "infra", "examples", "bench") && !within(p.room(), "cmd", "examples") {
				t.Errorf("%s imports %s", p.ImportPath, dep)
			}
		}
	}
}
