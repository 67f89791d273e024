package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/posternauth/postern/users"
	"github.com/posternauth/postern/users/foreign"
)

const (
	shownProblems = 20   // problems that the result names; the report has all
	countedNotes  = 1000 // different notes that are counted
)

// An importReport collects what happens to the users of an import.
type importReport struct {
	stop context.CancelCauseFunc // ends the import if the file can't be written

	mu        sync.Mutex
	file      *os.File // nil: none
	out       *bufio.Writer
	waiting   map[string][]foreign.Record // read and not imported yet, by their ids
	unread    int
	passwords int
	notes     map[string]int
	problems  []importLine
}

// An importLine is one line of the report.
type importLine struct {
	Record   int      `json:"record,omitempty"`
	Line     int      `json:"line,omitempty"`
	ID       string   `json:"id,omitempty"`
	Outcome  string   `json:"outcome"` // created, updated, skipped, refused, unread
	User     string   `json:"user,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Password bool     `json:"password,omitempty"` // carried over
	Notes    []string `json:"notes,omitempty"`
}

// newImportReport begins a report, in a file for its owner alone unless path is empty.
func newImportReport(path string) (*importReport, error) {
	r := &importReport{waiting: map[string][]foreign.Record{}, notes: map[string]int{}}
	if path == "" {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("users import --report: %w", err)
	}
	info, err := r.file.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm() != 0o600 { // the file was there
		err = r.file.Chmod(0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("users import --report: %w", errors.Join(err, r.file.Close()))
	}
	r.out = bufio.NewWriter(r.file)
	return r, nil
}

// read takes one record before it is imported, or one that cannot be read.
func (r *importReport) read(rec foreign.Record, bad *foreign.RecordError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bad != nil {
		r.unread++
		r.line(importLine{Record: bad.Number, Line: bad.Line, ID: bad.ID, Outcome: "unread", Reason: strings.TrimPrefix(bad.Err.Error(), "foreign: ")})
		return
	}
	r.waiting[rec.ID] = append(r.waiting[rec.ID], foreign.Record{Number: rec.Number, Line: rec.Line, Password: rec.Password, Notes: rec.Notes})
}

// imported takes the result of one user.
func (r *importReport) imported(result users.ImportResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := importLine{ID: result.ID, Outcome: string(result.Outcome), User: result.UserID, Reason: result.Reason}
	if list := r.waiting[result.ID]; len(list) > 0 {
		l.Record, l.Line, l.Notes = list[0].Number, list[0].Line, list[0].Notes
		l.Password = list[0].Password != "" && result.Outcome == users.Created
		if r.waiting[result.ID] = list[1:]; len(list) == 1 {
			delete(r.waiting, result.ID)
		}
	}
	r.line(l)
}

// line counts a line and writes it to the file.
func (r *importReport) line(l importLine) {
	if l.Password {
		r.passwords++
	}
	for _, note := range l.Notes {
		if _, ok := r.notes[note]; ok || len(r.notes) < countedNotes {
			r.notes[note]++
		}
	}
	if l.Reason != "" && len(r.problems) < shownProblems {
		r.problems = append(r.problems, l)
	}
	if r.out == nil {
		return
	}
	line, err := json.Marshal(l)
	if err == nil {
		_, err = r.out.Write(append(line, '\n'))
	}
	if err != nil {
		r.stop(fmt.Errorf("writing the report: %w", err))
	}
}

// close writes the rest of the file.
func (r *importReport) close() error {
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.out.Flush(), r.file.Close()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// print prints the result.
func (r *importReport) print(w world, c usersImport, total users.Report) error {
	if c.JSON {
		return json.NewEncoder(w.out).Encode(map[string]any{
			"from": c.From, "dryRun": c.DryRun, "created": total.Created, "updated": total.Updated, "skipped": total.Skipped,
			"refused": total.Refused, "unread": r.unread, "passwords": r.passwords, "notes": r.notes, "problems": slices.Concat([]importLine{}, r.problems),
		})
	}
	dry := ""
	if c.DryRun {
		dry = " Dry run: nothing was written."
	}
	fmt.Fprintf(w.out, "%d created (%d with a password), %d updated, %d skipped, %d refused, %d not read.%s\n",
		total.Created, r.passwords, total.Updated, total.Skipped, total.Refused, r.unread, dry)
	notes := slices.SortedFunc(maps.Keys(r.notes), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.notes[b], r.notes[a]), cmp.Compare(a, b))
	})
	for i, note := range notes {
		if i == shownProblems {
			fmt.Fprintln(w.out, "  More notes are in the file of --report.")
			break
		}
		fmt.Fprintf(w.out, "  %d × %s\n", r.notes[note], calm(note))
	}
	for _, p := range r.problems {
		fmt.Fprintf(w.out, "  %s, line %d, %s: %s\n", p.Outcome, p.Line, orDash(p.ID), calm(p.Reason))
	}
	if len(r.problems) == shownProblems {
		fmt.Fprintln(w.out, "  More problems may be in the file of --report.")
	}
	return nil
}
