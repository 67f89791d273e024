package serve

import (
	_ "embed"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

//go:embed example.toml
var example string

// Example is a small complete file.
func Example() string { return example }

const docsHead = `# Configuration

This is the reference of the file that ` + "`postern serve --config postern.toml`" + ` reads, as ` + "`postern config docs`" + ` prints it.
[docs/standalone.md](standalone.md) explains the whole.

* The file is [TOML 1.0](https://toml.io). An unknown setting, a setting that stands twice, a wrong type and an empty value are
  errors. An error has the line, the setting, what is wrong and what to do; all errors are listed at once.
* ` + "`${NAME}`" + ` in a text is the variable NAME of the environment. A variable that is not set is an error; there are no defaults
  such as ` + "`${NAME:-default}`" + `. A setting whose variable is empty counts as not written, but the
  roles and scopes that something needs are then refused: no empty variable takes a need away. A number and true or false may be
  text with a variable: ` + "`totp = \"${TOTP}\"`" + `.
* ` + "`secret:NAME`" + ` is the secret NAME of ` + "`[secrets]`" + `. A setting of the type secret takes nothing else: no secret stands in the file.
* A list may be one text, so that a variable can hold it: ` + "`origins = \"${ORIGINS}\"`" + `. The text has commas between the entries, or is
  a JSON array: ` + "`[\"https://app.example.com/?a=1,2\"]`" + `, for an entry that has a comma in it. In redirects, a comma behind a query is refused
  unless a space stands beside it. A variable that is only a part of the text adds no entry: a comma in it is refused.
* A duration is a number with a unit: ` + "`90s`, `5m`, `12h`, `30d`" + `.
* A relative file name is looked up beside the configuration: of pictures, texts and lists, in audit.file, and behind
  ` + "`sqlite:`, `file:` and `sealed:`" + `. The working directory does not matter. The flags of commands, such as
  ` + "`--store sqlite:FILE`" + `, are relative to the working directory, as in any command. A relative ` + "`unix:PATH`" + ` is refused.
`

// Docs writes the reference of every setting, as Markdown.
func Docs(w io.Writer) error {
	d := docs{w: w}
	d.print(docsHead)
	d.print("\n## At the top\n\n")
	t := reflect.TypeFor[Config]()
	d.table(t, "")
	for f := range settings(t) {
		if isTable(f.Type) {
			d.room(f, f.Tag.Get("toml"))
		}
	}
	return d.err
}

type docs struct {
	w   io.Writer
	err error
}

func (d *docs) print(text string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.w, text)
	}
}

// settings are the fields of a struct that stand in the file.
func settings(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("toml") != "" && !yield(f) {
				return
			}
		}
	}
}

// isTable reports whether a type is written with a header.
func isTable(t reflect.Type) bool {
	if t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != secretType && t != locationType && t != timeType
}

// room writes a table and those in it.
func (d *docs) room(f reflect.StructField, path string) {
	t, header := f.Type, "["+path+"]"
	switch t.Kind() {
	case reflect.Map:
		path += ".NAME"
		t, header = t.Elem(), "["+path+"]"
	case reflect.Slice:
		t, header = t.Elem(), "[["+path+"]]"
	}
	d.print(fmt.Sprintf("\n## `%s`\n\n%s\n\n", header, f.Tag.Get("help")))
	d.table(t, path)
	for inner := range settings(t) {
		if isTable(inner.Type) {
			d.room(inner, path+"."+inner.Tag.Get("toml"))
		}
	}
}

func (d *docs) table(t reflect.Type, path string) {
	typed := false
	for f := range settings(t) {
		typed = typed || f.Tag.Get("for") != ""
	}
	head := "| setting | type | default | meaning |\n| --- | --- | --- | --- |\n"
	if typed {
		d.print("The groups of types: `openid` is " + list(openidNames()) + "; `service` is those and " + list(oauthNames()) + ".\n\n")
		head = "| setting | for | type | default | meaning |\n| --- | --- | --- | --- | --- |\n"
	}
	d.print(head)
	for f := range settings(t) {
		if isTable(f.Type) {
			continue
		}
		row := "| `" + f.Tag.Get("toml") + "` | "
		if typed {
			row += cell(f.Tag.Get("for"), "all") + " | "
		}
		meaning := f.Tag.Get("help")
		if f.Tag.Get("example") != "" {
			meaning += " Example: `" + quoted(f.Type, f.Tag.Get("example")) + "`"
		}
		d.print(row + typeName(f.Type) + " | " + defaultOf(f) + " | " + strings.ReplaceAll(meaning, "|", "\\|") + " |\n")
	}
}

func cell(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func defaultOf(f reflect.StructField) string {
	text, has := f.Tag.Lookup("default")
	switch {
	case f.Tag.Get("need") == "always":
		return "**required**"
	case has:
		return "`" + text + "`"
	}
	return cell(f.Tag.Get("otherwise"), "none")
}

func list(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

func openidNames() []string {
	return slices.DeleteFunc(providerTypes(), func(s string) bool { _, ok := openidTypes[s]; return !ok })
}

func oauthNames() []string {
	return slices.DeleteFunc(providerTypes(), func(s string) bool { _, ok := oauthTypes[s]; return !ok })
}
