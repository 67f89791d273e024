package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/posternauth/postern/internal/test/testneed"
)

// typed are command lines up to the cursor, and what a shell offers there.
var typed = map[string][]string{
	"keys ":                 {"jwks", "list", "new", "revoke"},
	"keys li":               {"list"},
	"keys --data d li":      {"list"},
	"token v":               {"verify"},
	"migrate --print ":      {"postgres", "sqlite"},
	"migrate --print s":     {"sqlite"},
	"lambda --event=h":      {"http", "http-1.0"},
	"lambda --event=u":      {"url"},
	"lambda --addr x --ev":  {"--event"},
	"lambda --no-r":         {"--no-rebuild"},
	"completion ":           {"bash", "fish", "zsh"},
	"completion f":          {"fish"},
	"sessions revoke --sub": {"--subject"},
	"users show --by ":      {"any", "id", "address", "username"},
	"users import --from f": {"firebase"},
	"dev -- ke":             nil, // the words of another program
	"nonsense":              nil,
	"keys nonsense":         nil,
}

// grammar returns the commands as the parser knows them.
func grammar(t *testing.T) []place {
	t.Helper()
	parser, err := kong.New(new(commands), kong.Name("postern"), vars())
	if err != nil {
		t.Fatal(err)
	}
	return completions(parser.Model.Node)
}

// everything adds to typed what each command offers: the commands below it and its flags.
func everything(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for line, want := range typed {
		all[line] = want
	}
	places := grammar(t)
	for _, p := range places {
		at := strings.TrimPrefix(p.path+" ", "postern ")
		names := slices.Clone(p.values)
		for _, c := range p.commands {
			names = append(names, c.name)
		}
		if len(names) > 0 {
			all[at] = names
		}
		var flags []string
		for _, f := range p.flags {
			flags = append(flags, "--"+f.name)
		}
		all[at+"--"] = flags
	}
	if len(places) < 15 || len(all["lambda --"]) < 15 {
		t.Fatalf("%d commands and %d flags of lambda: the grammar is not read", len(places), len(all["lambda --"]))
	}
	return all
}

// script writes the script for a shell, by the binary's way, and returns its path.
func script(t *testing.T, shell string) string {
	t.Helper()
	out, errs, status := call(t, "", "completion", shell)
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	path := filepath.Join(t.TempDir(), "postern."+shell)
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shell runs a program of a shell in an empty folder.
func shell(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.WaitDelay = t.TempDir(), time.Second
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir(), "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// compare checks answers: lines of "COMMAND LINE\tWORD", or "COMMAND LINE\t" for none.
func compare(t *testing.T, answers string, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for line := range strings.Lines(answers) {
		at, word, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("the shell complains: %s", line)
		}
		if word != "" {
			got[at] = append(got[at], word)
		}
	}
	for line, words := range want {
		words = slices.Sorted(slices.Values(words))
		if offered := slices.Sorted(slices.Values(got[line])); !slices.Equal(offered, words) {
			t.Errorf("postern %s: offers %q, want %q", line, offered, words)
		}
	}
}

func TestCompletion_Bash(t *testing.T) {
	bash := testneed.Binary(t, "bash", "Debian package bash")
	all := everything(t)
	var program strings.Builder
	fmt.Fprintf(&program, "set -eu; source %s\n", quoted(script(t, "bash")))
	for line := range all {
		words := strings.Split("postern "+strings.ReplaceAll(line, "=", " = "), " ")
		for i := range words {
			words[i] = quoted(words[i])
		}
		fmt.Fprintf(&program, "COMP_WORDS=(%s) COMP_CWORD=%d; _postern || true; printf '%%s\\n' \"${COMPREPLY[@]:-}\" | sed %s\n",
			strings.Join(words, " "), len(words)-1, quoted("s/^/"+line+"\t/"))
	}
	compare(t, shell(t, bash, "--norc", "-c", program.String()), all)
	if got := shell(t, bash, "--norc", "-c", "source "+quoted(script(t, "bash"))+"; complete -p postern"); !strings.Contains(got, "-F _postern postern") {
		t.Errorf("not registered: %s", got)
	}
}

func TestCompletion_Fish(t *testing.T) {
	fish := testneed.Binary(t, "fish", "Debian package fish")
	all := everything(t)
	var program strings.Builder
	fmt.Fprintf(&program, "source %s\n", quoted(script(t, "fish")))
	for line := range all {
		// fish offers a word with its help behind a tab, and a value with its flag before it.
		fmt.Fprintf(&program, "for word in (complete -C %s); printf '%%s\\t%%s\\n' %s (string replace -r -- '^--[a-z]+=' '' (string split -- \\t $word)[1]); end\n",
			quoted("postern "+line), quoted(line))
	}
	compare(t, shell(t, fish, "--no-config", "-c", program.String()), all)
}

// TestCompletion_Zsh types into a real zsh at a terminal: a line, the tab, and return. The command prints its
// arguments.
func TestCompletion_Zsh(t *testing.T) {
	zsh := testneed.Binary(t, "zsh", "Debian package zsh")
	var program strings.Builder
	program.WriteString(`zmodload zsh/zpty
zpty z zsh -f -i
type() { zpty -w -n z "$1"; zpty -r z seen "*$2*" || { print -r -- "it ended: $seen"; exit 1 } }
type $'stty -echo; PS1=; autoload -Uz compinit; compinit -u -D; postern() { print -r -- "<${(j: :)@}"">" }; source ` + script(t, "zsh") + `; print REA""DY\n' READY
`)
	places := grammar(t)
	lines := map[string]string{
		"keys li": "keys list", "keys --data d li": "keys --data d list", "token v": "token verify", "migrate --print s": "migrate --print sqlite",
		"lambda --event=u": "lambda --event=url", "lambda --addr x --ev": "lambda --addr x --event", "lambda --no-r": "lambda --no-rebuild", "completion f": "completion fish",
		"sessions revoke --sub": "sessions revoke --subject", "dev -- ke": "dev -- ke", "nonsense": "nonsense", "lambda --event htt": "lambda --event http",
	}
	for _, p := range places {
		at := strings.TrimPrefix(p.path+" ", "postern ")
		for _, c := range p.commands {
			lines[at+c.name] = at + c.name
		}
		for _, f := range p.flags {
			lines[at+"--"+f.name] = at + "--" + f.name
		}
	}
	for line, want := range lines {
		fmt.Fprintf(&program, "type $'postern %s\\t\\n' '<%s( |)>'\n", line, strings.ReplaceAll(want, "=", "\\="))
	}
	program.WriteString("zpty -d z; print -r -- all typed\n")
	if got := shell(t, zsh, "-f", "-c", program.String()); strings.TrimSpace(got) != "all typed" {
		t.Errorf("%s", got)
	}
}

// TestCompletion_Refuses: there are three shells.
func TestCompletion_Refuses(t *testing.T) {
	for _, args := range []string{"completion", "completion tcsh", "completion bash zsh"} {
		if out, errs, status := call(t, "", strings.Fields(args)...); status != statusUsage || out != "" || errs == "" {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
}
