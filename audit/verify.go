package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

var (
	// ErrChain is the error for a log that does not verify. The text has the file, the line and the reason.
	ErrChain = errors.New("the chain of records is broken")
	// ErrHead is the error for a log without the record that VerifyConfig.Head names.
	ErrHead = errors.New("audit: the log has no record with the given head: records were removed at its end, or it is another log")
	// ErrStart is the error for a log that begins neither with record 1 nor after VerifyConfig.After.
	ErrStart = errors.New("audit: records are missing at the start of the log")
)

// VerifyConfig is the configuration of Verify. Files is required.
type VerifyConfig struct {
	Files []string // of one log, in any order
	Key   []byte   // FileConfig.Key
	Head  string   // Head.Hash as it was kept earlier; empty: not checked
	After string   // hash of the record before the first of Files, if older files are not given; empty: there is none
}

// A Report describes a log that verifies.
type Report struct {
	Files       int       `json:"files"`
	Records     uint64    `json:"records"`
	First       uint64    `json:"first"` // number of the first record; above 1, it comes after VerifyConfig.After
	Last        uint64    `json:"last"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Head        string    `json:"head"`        // hash of the last record
	Keyed       bool      `json:"keyed"`       // the chain was checked with a key
	HeadChecked bool      `json:"headChecked"` // and has the record of VerifyConfig.Head
	Unfinished  int       `json:"unfinished"`  // bytes after the last record, as a crash leaves them, or a writer at work
	Lost        uint64    `json:"lost"`        // records that state that events could not be written
}

// Verify reads the files of a log and checks each record and their order. Errors: [ErrChain], [ErrStart], [ErrHead],
// and those of the file system. It needs no more memory for a large log, and may run beside the program that writes the
// log, except at the moment when a file becomes full.
//
// Without VerifyConfig.Key it proves that the records are those that were hashed together, but a forger who can write
// the files can hash other ones. Without VerifyConfig.Head nobody can see that the newest records were removed.
func Verify(c VerifyConfig) (Report, error) {
	if len(c.Files) == 0 {
		return Report{}, errors.New("audit: VerifyConfig needs Files")
	}
	files, err := inOrder(c)
	if err != nil {
		return Report{}, err
	}
	v := verification{c: c, report: Report{Files: len(files), Keyed: len(c.Key) > 0}}
	for i, f := range files {
		if err := v.file(f.path, i == len(files)-1); err != nil {
			return v.report, err
		}
	}
	if v.report.Records == 0 {
		return v.report, fmt.Errorf("audit: %w: the files have no record; before the first event there is nothing to verify", ErrChain)
	}
	if !strings.EqualFold(c.After, v.prev) {
		return v.report, v.startError()
	}
	if c.Head != "" && !v.report.HeadChecked {
		return v.report, ErrHead
	}
	return v.report, nil
}

// A part is a file with the number of its first record.
type part struct {
	path string
	seq  uint64
}

// inOrder sorts the files by their first records.
func inOrder(c VerifyConfig) ([]part, error) {
	var parts []part
	for _, path := range c.Files {
		f, err := openRegular(path)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		line, err := bufio.NewReader(io.LimitReader(f, maxLine)).ReadBytes('\n')
		_ = f.Close() // it was only read
		p := part{path: path}
		switch {
		case errors.Is(err, io.EOF): // empty, or with half a record: the last one
			p.seq = 1<<64 - 1
		case err != nil:
			return nil, fmt.Errorf("audit: %w", err)
		default:
			r, err := parseRecord(hasher(c.Key), bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				return nil, fmt.Errorf("audit: %w: line 1 of %s %w", ErrChain, path, err)
			}
			p.seq = r.Seq
		}
		parts = append(parts, p)
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		if a.seq < b.seq {
			return -1
		}
		if a.seq > b.seq {
			return 1
		}
		return 0
	})
	return parts, nil
}

// A verification is one call of Verify.
type verification struct {
	c      VerifyConfig
	head   Head
	prev   string // of the first record
	report Report
}

// startError says where the log begins, and what would make that right.
func (v *verification) startError() error {
	switch first := v.report.First; {
	case first == 1:
		return fmt.Errorf("%w: it begins with record 1, which comes after no other: give no hash to begin after", ErrStart)
	case v.c.After == "":
		return fmt.Errorf("%w: it begins with record %[2]d: give the older files too. If they were removed on purpose, give --after (VerifyConfig.After) "+
			"the kept head of the newest of them. If nobody kept it, give it prev of record %[2]d once: records missing before are then not found", ErrStart, first)
	default:
		return fmt.Errorf("%w: record %d does not come after the given hash", ErrStart, first)
	}
}

func (v *verification) file(path string, last bool) error {
	f, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer f.Close()
	sum, r := hasher(v.c.Key), bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		broken := func(why any) error { return fmt.Errorf("audit: %w: line %d of %s %v", ErrChain, n, path, why) }
		switch {
		case errors.Is(err, io.EOF):
			if len(line) > 0 && !last {
				return broken("is not finished")
			}
			v.report.Unfinished = len(line)
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return broken("is longer than a record")
		case err != nil:
			return fmt.Errorf("audit: %w", err)
		}
		rec, err := parseRecord(sum, line[:len(line)-1])
		if err != nil {
			return broken(err)
		}
		if err := v.record(rec); err != nil {
			return broken(err)
		}
	}
}

func (v *verification) record(r record) error {
	if v.report.Records == 0 {
		v.report.First, v.report.From, v.prev = r.Seq, r.Time, r.Prev
		if (r.Seq == 1) != (r.Prev == "") {
			return errors.New("is the first record, but names one before it, or is a later one that names none")
		}
	} else if err := r.follows(v.head); err != nil {
		return err
	}
	v.head = Head{r.Seq, r.Hash}
	v.report.Records++
	v.report.Last, v.report.To, v.report.Head = r.Seq, r.Time, r.Hash
	if r.Event == recordLost {
		v.report.Lost++
	}
	if v.c.Head != "" && strings.EqualFold(v.c.Head, r.Hash) {
		v.report.HeadChecked = true
	}
	return nil
}
