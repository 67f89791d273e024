package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/posternauth/postern/audit"
)

type auditGroup struct {
	Verify auditVerify `cmd:"" help:"Check that no record of an audit log was changed, removed, added or moved."`
}

type auditVerify struct {
	Files   []string `arg:"" name:"file" help:"The files of one log, in any order: the current one and the full ones beside it."`
	KeyFile string   `placeholder:"FILE" help:"The file with the key of the log, in hex, as openssl rand -hex 32 prints one. Default: the log has no key."`
	Head    string   `placeholder:"HASH" help:"A head of this log that was kept elsewhere, such as from a line \"audit: head\" of the program's log. Its record must still be there."`
	After   string   `placeholder:"HASH" help:"The head of the newest file that was removed: the log begins with the record after it. Default: the log begins with record 1."`
	JSON    bool     `name:"json" help:"Print the report as one line of JSON."`
}

// Help is shown below the usage line.
func (auditVerify) Help() string {
	return `Each record has the hash of the record before it. A log that verifies is printed with its head, the hash of its last record. Keep the head elsewhere, and give it with --head the next time: without it, nobody can see that the newest records were removed. Without a key, a person who can write the files can also make all hashes anew; a head that was kept shows that, too.

  postern audit verify /var/lib/shop/audit*.jsonl --key-file audit.key

The files begin with record 1. If older ones were removed, name with --after the head of the newest of them: audit verify prints it before they go, and the program's log has it in a line "audit: head" from when the file was full.

  postern audit verify audit-000000004711.jsonl audit.jsonl --after 51d0...

The exit status is 0 if the log verifies, 1 if it does not or cannot be read, 2 if the command line is wrong.`
}

// Run reads the files.
func (c auditVerify) Run(w world) error {
	v := audit.VerifyConfig{Files: c.Files, Head: c.Head, After: c.After}
	if c.KeyFile != "" {
		if err := ownersAlone(c.KeyFile, "make it private (chmod 600), and begin a new log with a new key"); err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		text, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		if v.Key, err = audit.ParseKey(string(text)); err != nil {
			return fmt.Errorf("--key-file %s: %w", c.KeyFile, err)
		}
	}
	report, err := audit.Verify(v)
	if c.JSON && (err == nil || errors.Is(err, audit.ErrChain) || errors.Is(err, audit.ErrHead) || errors.Is(err, audit.ErrStart)) {
		return printAuditJSON(w, report, err)
	}
	if err != nil {
		return errors.New(calm(err.Error()))
	}
	fmt.Fprintf(w.out, "valid\n\n")
	fmt.Fprintf(w.out, "records  %d (%d to %d)\n", report.Records, report.First, report.Last)
	fmt.Fprintf(w.out, "files    %d\n", report.Files)
	fmt.Fprintf(w.out, "times    %s to %s\n", report.From.Format(time.RFC3339), report.To.Format(time.RFC3339))
	fmt.Fprintf(w.out, "head     %s\n", report.Head)
	for _, note := range auditNotes(report) {
		fmt.Fprintf(w.out, "\n%s\n", note)
	}
	return nil
}

// printAuditJSON prints a report with its verdict.
func printAuditJSON(w world, r audit.Report, refused error) error {
	line := struct {
		Valid bool   `json:"valid"`
		Error string `json:"error,omitempty"`
		audit.Report
	}{refused == nil, "", r}
	if refused != nil {
		line.Error = refused.Error()
	}
	if err := json.NewEncoder(w.out).Encode(line); err != nil {
		return err
	}
	if refused != nil {
		return errInvalid
	}
	return nil
}

// auditNotes are what a log that verifies does not prove, and what is unusual in it.
func auditNotes(r audit.Report) (notes []string) {
	if r.First > 1 {
		notes = append(notes, fmt.Sprintf("The records before %d are in files that were not given: this log begins after the head of --after.", r.First))
	}
	if r.Lost > 0 {
		notes = append(notes, fmt.Sprintf("%d records state that events could not be written: look for \"audit lost\".", r.Lost))
	}
	if r.Unfinished > 0 {
		notes = append(notes, fmt.Sprintf("%d bytes after the last record are not finished: a program is writing, or crashed and did not start again.", r.Unfinished))
	}
	if !r.Keyed {
		notes = append(notes, "There is no key (--key-file): a person who can write the files could have made all hashes anew.")
	}
	if !r.HeadChecked {
		notes = append(notes, "No head was given (--head): whether records are missing at the end is not checked.")
	}
	return notes
}
