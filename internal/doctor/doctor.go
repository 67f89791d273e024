// Package doctor checks a deployment, a configuration and the templates of infrastructure, and says what to do for
// each finding. The command "postern doctor" prints its findings.
//
// What a server or a file says is never trusted: answers are read up to a limit and in limited time, and what a
// finding repeats of them is shortened and has no control characters.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
)

// A Level is how bad a finding is.
type Level string

// Levels of findings.
const (
	Error   Level = "error"   // people cannot sign in, or somebody can harm them
	Warning Level = "warning" // works today and fails one day, or lacks a line of defence
	Note    Level = "note"    // for a person to compare
)

// A Finding is one thing that a check found.
type Finding struct {
	ID    string `json:"id"` // one of the table in docs/doctor.md; it stays as it is from version to version
	Level Level  `json:"level"`
	Where string `json:"where"` // a URL, a setting, or a place in a file
	Seen  string `json:"seen"`  // what the check saw
	Do    string `json:"do"`    // what to do
	Doc   string `json:"doc"`   // where the documents explain it
}

// A Report is the result of some checks.
type Report struct {
	Findings []Finding `json:"findings"` // errors first
	Checked  []string  `json:"checked"`  // the checks that ran to their end, by the ids of their findings, sorted
}

// Failed reports whether there is a finding of level Error.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Error })
}

// Count returns the number of findings of a level.
func (r *Report) Count(level Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Sort puts errors first and leaves the order of equal ones.
func (r *Report) Sort() {
	order := map[Level]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(order[a.Level], order[b.Level]) })
	slices.Sort(r.Checked)
	r.Checked = slices.Compact(r.Checked)
}

const (
	maxShown    = 300 // characters that a finding repeats of an answer or a file
	maxFindings = 500 // of a report: a file can be made to have any number
)

// shown is text of a stranger as a finding repeats it.
func shown(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s[:min(len(s), 4*maxShown)])[:maxShown]) + "…"
	}
	return text.Calm(s)
}

// find adds a finding. Its level, what to do and the link are those of the rule.
func (r *Report) find(id, where, seen string, args ...any) {
	rule, ok := rules[id]
	if !ok {
		panic("doctor: no rule " + id) // of this package alone; a test adds a finding for every rule
	}
	f := Finding{ID: id, Level: rule.level, Where: shown(where), Seen: shown(fmt.Sprintf(seen, args...)), Do: rule.do, Doc: rule.doc}
	if len(r.Findings) < maxFindings && !slices.Contains(r.Findings, f) {
		r.Findings = append(r.Findings, f)
	}
}

// Found adds a finding that a caller made itself, such as one about a store. It panics for an id without a rule.
func (r *Report) Found(id, where, seen string) { r.find(id, where, "%s", seen) }

// FoundDo is Found with another text about what to do.
func (r *Report) FoundDo(id, where, seen, do string) {
	before := len(r.Findings)
	r.find(id, where, "%s", seen)
	if len(r.Findings) > before {
		r.Findings[before].Do = shown(do)
	}
}

// Ran marks checks as done.
func (r *Report) Ran(ids ...string) { r.Checked = append(r.Checked, ids...) }

// Rules returns the ids of all findings with their level, what to do and the link.
func Rules() []Finding {
	var all []Finding
	for id, rule := range rules {
		all = append(all, Finding{ID: id, Level: rule.level, Do: rule.do, Doc: rule.doc})
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// A rule is what all findings of an id have in common.
type rule struct {
	level   Level
	do, doc string
}
