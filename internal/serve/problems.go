package serve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake of a configuration.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0: the whole file
	Key  string `json:"key,omitempty"`  // such as providers.google.client_secret
	Text string `json:"problem"`        // what is wrong
	Next string `json:"next"`           // what to do
}

func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	s += ": "
	if p.Key != "" {
		s += p.Key + ": "
	}
	return s + p.Text + "; " + p.Next
}

// An Invalid is the error of a configuration that cannot be used: all problems that were found, in the order of the
// file.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems is how many problems are reported. One more in the list means that there were more.
const maxProblems = 100

type problems []Problem

// add notes a problem. A key has one problem: what follows from the first helps nobody.
func (p *problems) add(line int, key, text, next string) {
	if p.full() {
		return
	}
	if key != "" && slices.ContainsFunc(*p, func(old Problem) bool { return old.Key == key }) {
		return
	}
	*p = append(*p, Problem{Line: line, Key: key, Text: text, Next: next})
}

// full reports whether no more problems are noted.
func (p *problems) full() bool { return len(*p) > maxProblems }

// err returns an *Invalid, or nil if there is no problem.
func (p problems) err(file string) error {
	if len(p) == 0 {
		return nil
	}
	more := p.full()
	p = slices.Clone(p[:min(len(p), maxProblems)])
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if more {
		p = append(p, Problem{Text: "and more", Next: "correct these first"})
	}
	for i := range p {
		p[i].File = file
	}
	return &Invalid{p}
}
