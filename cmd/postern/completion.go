package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is shown below the usage line.
func (completionCommand) Help() string {
	return `The script completes commands, flags, and the values of flags that have a list of them. Load it when the shell starts:

  bash   echo 'source <(postern completion bash)' >> ~/.bashrc
  zsh    echo 'source <(postern completion zsh)' >> ~/.zshrc      (below compinit)
  fish   postern completion fish > ~/.config/fish/completions/postern.fish

A script that is kept in a file, as that of fish is, belongs to one version of postern: make it again after an upgrade.`
}

// Run prints the script.
func (c completionCommand) Run(k *kong.Context, w world) error {
	scripts := map[string]func([]place) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}
	_, err := io.WriteString(w.out, scripts[c.Shell](completions(k.Model.Node)))
	return err
}

// A place is a command, as far as what may follow it goes.
type place struct {
	path     string // such as "postern keys list"
	commands []word
	values   []string // of its argument
	flags    []flag
}

// A word is a command with what it does.
type word struct{ name, help string }

// A flag is one of a command.
type flag struct {
	name, short, help string
	takes, file       bool // a value, and whether it is a file
	values            []string
}

// names are those that are typed: --event, -e.
func (f flag) names() []string {
	if f.short == "" {
		return []string{"--" + f.name}
	}
	return []string{"--" + f.name, "-" + f.short}
}

// completions returns a place for a node of the grammar and for each command below it.
func completions(n *kong.Node) []place {
	p := place{path: strings.Join(pathOf(n), " ")}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			p.flags = append(p.flags, flagsOf(f)...)
		}
	}
	for _, argument := range n.Positional {
		if argument.Enum != "" {
			p.values = argument.EnumSlice()
		}
	}
	var below []place
	for _, child := range n.Children {
		p.commands = append(p.commands, word{child.Name, firstSentence(child.Help)})
		below = append(below, completions(child)...)
	}
	return append([]place{p}, below...)
}

// pathOf is the names of a command and those above it.
func pathOf(n *kong.Node) []string {
	if n.Parent == nil {
		return []string{n.Name}
	}
	return append(pathOf(n.Parent), n.Name)
}

func flagsOf(f *kong.Flag) []flag {
	one := flag{name: f.Name, help: firstSentence(f.Help), takes: !f.IsBool(), file: slices.Contains([]string{"FILE", "FILE|URL", "DIR", "BOOTSTRAP"}, f.PlaceHolder)}
	if f.Short != 0 {
		one.short = string(f.Short)
	}
	if f.Enum != "" {
		one.values = f.EnumSlice()
	}
	if f.Tag.Negatable == "" {
		return []flag{one}
	}
	return []flag{one, {name: "no-" + f.Name, help: "The opposite of --" + f.Name}}
}

// firstSentence is what a shell shows beside a word.
func firstSentence(help string) string {
	short, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(strings.ReplaceAll(short, "\n", " "), ".")
}

// quoted quotes a word for bash and zsh.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// steps are the arms of a case that goes from a command to the one below, in bash and zsh.
func steps(places []place, indent string) string {
	var b strings.Builder
	for _, p := range places {
		for _, c := range p.commands {
			b.WriteString(indent + quoted(p.path+" "+c.name) + ") at=\"$at $word\" ;;\n")
		}
	}
	return b.String()
}

// bashScript uses nothing that bash 3.2 lacks, which macOS has.
func bashScript(places []place) string {
	var values, offers strings.Builder
	for _, p := range places {
		words := slices.Clone(p.values)
		for _, c := range p.commands {
			words = append(words, c.name)
		}
		var names []string
		for _, f := range p.flags {
			for _, name := range f.names() {
				names = append(names, name)
				switch {
				case len(f.values) > 0:
					values.WriteString("\t" + quoted(p.path+" "+name) + ") offer=" + quoted(strings.Join(f.values, " ")) + " ;;\n")
				case f.takes:
					values.WriteString("\t" + quoted(p.path+" "+name) + ") return ;;\n")
				}
			}
		}
		offers.WriteString("\t" + quoted(p.path) + ") words=" + quoted(strings.Join(words, " ")) + " flags=" + quoted(strings.Join(names, " ")) + " ;;\n")
	}
	return `# Completion of postern for bash, printed by: postern completion bash
_postern() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=postern word words= flags= offer= i
	COMPREPLY=()
	# --flag=value is three words here.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -- ]] && return
		case "$at $word" in
` + steps(places, "\t\t") + `		esac
	done
	case "$at $prev" in
` + values.String() + `	esac
	case $at in
` + offers.String() + `	esac
	if [[ -z $offer ]]; then
		offer=$words
		[[ $cur == -* ]] && offer=$flags
	fi
	COMPREPLY=($(compgen -W "$offer" -- "$cur"))
}
complete -o bashdefault -o default -F _postern postern
`
}

// zshScript works by "source" and as the file _postern of $fpath.
func zshScript(places []place) string {
	var values, offers strings.Builder
	for _, p := range places {
		offers.WriteString("\t(" + quoted(p.path) + ")\n\t\tcommands=(")
		for _, c := range p.commands {
			offers.WriteString("\n\t\t\t" + quoted(c.name+":"+c.help))
		}
		for _, v := range p.values {
			offers.WriteString("\n\t\t\t" + quoted(v))
		}
		offers.WriteString(")\n\t\tflags=(")
		for _, f := range p.flags {
			for _, name := range f.names() {
				offers.WriteString("\n\t\t\t" + quoted(name+":"+f.help))
				arm := "\t(" + quoted(p.path+" "+name) + ") "
				switch {
				case len(f.values) > 0:
					values.WriteString(arm + "compadd -- " + strings.Join(f.values, " ") + "; return ;;\n")
				case f.file:
					values.WriteString(arm + "_files; return ;;\n")
				case f.takes:
					values.WriteString(arm + "return 1 ;;\n")
				}
			}
		}
		offers.WriteString(") ;;\n")
	}
	return `#compdef postern
# Completion of postern for zsh, printed by: postern completion zsh
_postern() {
	local at=postern word prev=${words[CURRENT-1]}
	local -a commands flags
	for word in ${words[2,CURRENT-1]}; do
		if [[ $word == -- ]]; then
			_files
			return
		fi
		case "$at $word" in
` + steps(places, "\t\t(") + `		esac
	done
	if [[ ${words[CURRENT]} == --*=* ]]; then
		prev=${words[CURRENT]%%=*}
		compset -P '*='
	fi
	case "$at $prev" in
` + values.String() + `	esac
	case $at in
` + offers.String() + `	esac
	if [[ ${words[CURRENT]} == -* ]]; then
		_describe -o flag flags
	elif (( $#commands )); then
		_describe command commands
	else
		_files
	fi
}
if [[ $funcstack[1] == _postern ]]; then
	_postern "$@"
else
	compdef _postern postern
fi
`
}

func fishScript(places []place) string {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	var next, offers strings.Builder
	for _, p := range places {
		at := "complete -c postern -n " + quote("__postern_at "+p.path)
		for _, c := range p.commands {
			next.WriteString(" " + quote(p.path+" "+c.name))
			offers.WriteString(at + " -f -a " + c.name + " -d " + quote(c.help) + "\n")
		}
		if len(p.values) > 0 {
			offers.WriteString(at + " -f -a " + quote(strings.Join(p.values, " ")) + "\n")
		}
		for _, f := range p.flags {
			line := at + " -l " + f.name
			if f.short != "" {
				line += " -s " + f.short
			}
			switch {
			case len(f.values) > 0:
				line += " -x -a " + quote(strings.Join(f.values, " "))
			case f.file:
				line += " -r -F"
			case f.takes:
				line += " -x"
			}
			offers.WriteString(line + " -d " + quote(f.help) + "\n")
		}
	}
	return `# Completion of postern for fish, printed by: postern completion fish
function __postern_at
	set -l at postern
	for word in (commandline -opc)[2..-1]
		if test "$word" = --
			return 1
		end
		switch "$at $word"
			case` + next.String() + `
				set at "$at $word"
		end
	end
	test "$at" = "$argv"
end
` + offers.String()
}
