package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// An Imported is a user of another system.
type Imported struct {
	ID         string // at the other system; an import is repeated by it
	UserID     string // to be kept; empty: a new one is chosen, the same for the same ID
	Name       string
	Username   string
	Locale     string
	Picture    string
	Addresses  []postern.Address // those with Verified become verified, so the other system must have proven them
	Identities []postern.Identity
	Roles      []string
	Disabled   *Disabled
	Data       json.RawMessage
	Profile    json.RawMessage
	Created    time.Time // zero: now

	// NewOnly makes no change of a user who was imported before. It is for a record that has less of the user than
	// another one.
	NewOnly bool `json:"-"`

	// Passwords and Passkeys are how many of these credentials Changes writes.
	Passwords, Passkeys int

	// Changes returns the credentials of the user, which are written together with the user. It is not called for a
	// user who was imported before: credentials are written once.
	Changes func(userID string) []store.Change `json:"-"`
}

// ImportOptions are options of Import.
type ImportOptions struct {
	// DryRun checks all users and writes nothing.
	DryRun bool

	// Workers is how many users are written at the same time.
	//
	// Defaults to 4.
	Workers int

	// Each is called for each user, one call at a time.
	//
	// Defaults to none.
	Each func(ImportResult)

	// within decides about each write for an administrator, and returns more changes for it. before is nil for a new
	// user.
	within func(ctx context.Context, userID string, before, after *record) ([]store.Change, error)
}

// An Outcome is what Import did with a user.
type Outcome string

// The outcomes of an import.
const (
	Created Outcome = "created"
	Updated Outcome = "updated" // imported before; the other system has changed the user since, and nobody has here
	Skipped Outcome = "skipped" // imported before and the same, or changed or deleted here since
	Refused Outcome = "refused"
)

// An ImportResult is what Import did with one user.
type ImportResult struct {
	ID      string // Imported.ID
	UserID  string // empty if there is none
	Outcome Outcome
	Reason  string // of Refused, and of Skipped unless nothing changed; one sentence
}

// A Report is the result of an import.
type Report struct {
	Created, Updated, Skipped, Refused int

	// Problems are the results that have a Reason, in no order, at most the first 1,000.
	Problems []ImportResult
}

const maxProblems = 1000

// Import takes users over from another system, whose name is from. It can be repeated: a user who was imported before
// is not made twice, and an import that was interrupted goes on. A user whose addresses, username or identities belong
// to somebody else is refused, and so is one with a field that is not valid; nothing of them is written.
//
// A repeated import updates a user whom the other system has changed, as long as nobody has changed them here.
//
// The error is that of records, of the store or of the context. The Report is then that of the users until there.
func (d *Directory) Import(ctx context.Context, from string, records iter.Seq2[Imported, error], o ImportOptions) (Report, error) {
	if from == "" {
		return Report{}, errors.New("users: an import needs the name of the system the users come from")
	}
	run := &importRun{d: d, from: from, o: o, ended: make(chan struct{}), claimed: map[store.Key]string{}}
	todo := make(chan Imported)
	var wg sync.WaitGroup
	workers := o.Workers
	if workers <= 0 {
		workers = 4
	}
	for range workers {
		wg.Go(func() {
			for r := range todo {
				run.one(ctx, r)
			}
		})
	}
feed:
	for r, err := range records {
		if err != nil {
			run.end(err)
			break
		}
		select {
		case todo <- r:
		case <-run.ended:
			break feed
		case <-ctx.Done():
			run.end(fmt.Errorf("users: %w", ctx.Err()))
			break feed
		}
	}
	close(todo)
	wg.Wait()
	return run.report, run.err
}

// An importRun is one call of Import.
type importRun struct {
	d     *Directory
	from  string
	o     ImportOptions
	ended chan struct{} // closed by the first error; users who are being written are finished

	mu      sync.Mutex
	err     error
	report  Report
	claimed map[store.Key]string // of a dry run: the claims of the users so far, with their ids
}

// end ends the import with an error.
func (run *importRun) end(err error) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.err == nil {
		run.err = err
		close(run.ended)
	}
}

// one imports one user and counts the result.
func (run *importRun) one(ctx context.Context, r Imported) {
	result, err := run.try(ctx, r)
	if err != nil {
		if result.Reason = reason(err); result.Reason == "" {
			run.end(err)
			return
		}
		result.Outcome = Refused
	}
	result.ID = r.ID
	run.mu.Lock()
	defer run.mu.Unlock()
	switch result.Outcome {
	case Created:
		run.report.Created++
	case Updated:
		run.report.Updated++
	case Skipped:
		run.report.Skipped++
	default:
		run.report.Refused++
	}
	if result.Reason != "" && len(run.report.Problems) < maxProblems {
		run.report.Problems = append(run.report.Problems, result)
	}
	if run.o.Each != nil {
		run.o.Each(result)
	}
}

// reason returns why a user is refused, and nothing for an error that ends the import.
func reason(err error) string {
	var field *FieldError
	var taken *takenError
	var shown *answer
	switch {
	case errors.As(err, &field):
		return field.Field + ": " + field.Text
	case errors.As(err, &taken):
		return "The " + taken.what + " belongs to another user."
	case errors.Is(err, ErrTooMany):
		return "The user has too many addresses, identities or credentials."
	case errors.Is(err, ErrRole):
		return "A role is not one of Config.Roles."
	case errors.As(err, &shown):
		return shown.http.Text
	}
	return ""
}
