package main

import (
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"strings"
)

// A bill has the members of a CycloneDX document that this command writes.
// Source: https://cyclonedx.org/docs/1.6/json/
type bill struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"` // of this document, not of the program
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Lifecycles []lifecycle `json:"lifecycles"`
	Component  component   `json:"component"`
}

type lifecycle struct {
	Phase string `json:"phase"`
}

// A component has no licences: the program has none of its modules' licence files, and a guess would be taken as fact.
type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Hashes     []hash     `json:"hashes,omitempty"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// sumProperty is the property with the checksum of a module as go.sum has it. It is not among the hashes: those are of
// a file's bytes, and h1 is the SHA-256 of a list of the files in the module.
// Source: https://go.dev/ref/mod#go-sum-files
const sumProperty = "go.sum"

// billOf returns the bill of a program with the SHA-256 sum, in hex. An empty version is that of the main module.
func billOf(info *debug.BuildInfo, version, sum string) (bill, error) {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if version == "" {
		version = info.Main.Version
	}
	if version == "" || version == "(devel)" {
		return bill{}, errors.New("the program has no version: give one with -version")
	}
	if info.Main.Path == "" || settings["GOOS"] == "" || settings["GOARCH"] == "" {
		return bill{}, errors.New("the program was not built from a module: build it with go build and the name of a package")
	}
	name := path.Base(info.Path)
	purl := modulePURL(info.Main.Path, version) + "?goarch=" + escape(settings["GOARCH"]) + "&goos=" + escape(settings["GOOS"])
	if folder := strings.TrimPrefix(strings.TrimPrefix(info.Path, info.Main.Path), "/"); folder != "" {
		purl += "#" + escapePath(folder)
	}
	program := component{Type: "application", Ref: purl, Name: name, Version: version, PURL: purl,
		Hashes: []hash{{"SHA-256", sum}}}

	toolchain, err := toolchainVersion(info.GoVersion)
	if err != nil {
		return bill{}, err
	}
	// "stdlib" and a version without "go" are the names of the Go vulnerability database.
	std := component{Type: "library", Ref: modulePURL("stdlib", toolchain), Name: "stdlib", Version: toolchain,
		PURL: modulePURL("stdlib", toolchain)}
	b := bill{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata:   metadata{Lifecycles: []lifecycle{{"post-build"}}, Component: program},
		Components: []component{std},
	}
	for _, module := range info.Deps {
		c, err := moduleComponent(module)
		if err != nil {
			return bill{}, err
		}
		b.Components = append(b.Components, c)
	}
	// The linker writes which modules are in the program, not which of them needs which: the program needs all.
	all := dependency{Ref: program.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = append(b.Dependencies, all)
	return b, nil
}

// moduleComponent returns the component of a module, or of the one that replaces it.
func moduleComponent(module *debug.Module) (component, error) {
	named := module.Path
	for module.Replace != nil {
		module = module.Replace
	}
	if module.Version == "" || module.Version == "(devel)" {
		return component{}, fmt.Errorf("the module %s was built from a folder: its sources have no version", named)
	}
	purl := modulePURL(module.Path, module.Version)
	c := component{Type: "library", Ref: purl, Name: module.Path, Version: module.Version, PURL: purl}
	if module.Sum != "" {
		c.Properties = []property{{sumProperty, module.Sum}}
	}
	return c, nil
}

// toolchainVersion returns the version of Go without "go" and without the experiments of the build.
func toolchainVersion(full string) (string, error) {
	version, _, _ := strings.Cut(full, " ")
	version, ok := strings.CutPrefix(version, "go")
	if !ok || version == "" {
		return "", fmt.Errorf("the program was built by %q: build it with a release of Go", full)
	}
	return version, nil
}

// modulePURL returns the package URL of a module. Its path is in lower case, as the type golang asks.
// Source: https://github.com/package-url/purl-spec/blob/main/types-doc/golang-definition.md
func modulePURL(modulePath, version string) string {
	return "pkg:golang/" + escapePath(strings.ToLower(modulePath)) + "@" + escape(version)
}

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}

// escape encodes all bytes but those that a package URL leaves as they are: letters, digits and ".-_~:".
// Source: https://github.com/package-url/purl-spec/blob/main/docs/standard/characters-and-encoding.md
func escape(s string) string {
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-_~:", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}
