package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/filelock"
)

// lock takes the log for this File.
func (l *File) lock() error {
	unlock, busy, err := filelock.Try(l.c.Path + ".lock")
	switch {
	case busy:
		return fmt.Errorf("%w: %s", ErrLocked, l.c.Path)
	case err != nil:
		return fmt.Errorf("audit: locking the log: %w", err)
	}
	l.unlock = unlock
	return nil
}

// open opens the current file and finds the end of the chain in it, or in the newest full file. The caller holds the
// lock, or is NewFile.
func (l *File) open() (err error) {
	if info, err := os.Lstat(l.c.Path); err == nil {
		switch {
		case !info.Mode().IsRegular():
			return fmt.Errorf("audit: %s is not a regular file", l.c.Path)
		case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0: // Windows has no such bits
			return fmt.Errorf("audit: other users can write %s (mode %#o): run chmod 600 on it", l.c.Path, info.Mode().Perm())
		}
	}
	f, err := os.OpenFile(l.c.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit: opening the log: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // err is the cause
			l.f = nil
		}
	}()
	last, whole, size, err := l.lastRecord(f)
	if err != nil {
		return err
	}
	end := Head{last.Seq, last.Hash}
	if whole == 0 && l.head.Seq == 0 { // a File that has written knows the end
		if end, err = l.endOfFull(); err != nil {
			return err
		}
	}
	if l.head.Seq != 0 && end != l.head && whole != 0 { // the program has written further than this file
		return fmt.Errorf("audit: %w: %s was replaced by another log; move it away", ErrChain, l.c.Path)
	}
	if l.head.Seq == 0 {
		l.head = end
	}
	l.f, l.size, l.first, l.torn = f, whole, whole == 0, false
	if size == whole {
		return syncFolder(l.c.Path)
	}
	// Half a line is what a crash in the middle of a write leaves.
	if err := f.Truncate(whole); err != nil {
		return fmt.Errorf("audit: removing an unfinished record: %w", err)
	}
	return l.note(recordRepaired, fmt.Sprintf("%d bytes of an unfinished record removed", size-whole))
}

// lastRecord returns the last whole record of a file, how many bytes are whole, and its size. Without a whole record
// whole is 0.
func (l *File) lastRecord(f *os.File) (r record, whole, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return record{}, 0, 0, fmt.Errorf("audit: reading the log: %w", err)
	}
	size = info.Size()
	from := max(0, size-2*maxLine)
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return record{}, 0, 0, fmt.Errorf("audit: reading the log: %w", err)
	}
	end := bytes.LastIndexByte(tail, '\n')
	if end < 0 {
		if from > 0 {
			return record{}, 0, 0, fmt.Errorf("audit: %w: %s has no records at its end; move it away", ErrChain, f.Name())
		}
		return record{}, 0, size, nil
	}
	line := tail[bytes.LastIndexByte(tail[:end], '\n')+1 : end]
	if r, err = parseRecord(l.sum, line); err != nil {
		return record{}, 0, 0, fmt.Errorf("audit: %w: the last record of %s %w; look with postern audit verify, and move the file away to begin a new chain",
			ErrChain, f.Name(), err)
	}
	return r, from + int64(end) + 1, size, nil
}

// endOfFull returns the end of the chain in the newest full file.
func (l *File) endOfFull() (Head, error) {
	base := filepath.Base(l.c.Path)
	stem, ext := strings.TrimSuffix(base, filepath.Ext(base)), filepath.Ext(base)
	entries, err := os.ReadDir(filepath.Dir(l.c.Path))
	if err != nil {
		return Head{}, fmt.Errorf("audit: looking for older files: %w", err)
	}
	newest := ""
	for _, e := range entries {
		name := e.Name()
		digits, ok := strings.CutPrefix(strings.TrimSuffix(name, ext), stem+"-")
		if ok && name == stem+"-"+digits+ext && len(digits) >= 12 && strings.Trim(digits, "0123456789") == "" {
			newest = slices.MaxFunc([]string{newest, name}, func(a, b string) int {
				return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
			})
		}
	}
	if newest == "" {
		return Head{}, nil
	}
	f, err := openRegular(filepath.Join(filepath.Dir(l.c.Path), newest))
	if err != nil {
		return Head{}, fmt.Errorf("audit: opening the newest full file: %w", err)
	}
	defer f.Close()
	r, whole, _, err := l.lastRecord(f)
	if err == nil && whole == 0 {
		err = fmt.Errorf("audit: %w: %s has no record; move it away", ErrChain, f.Name())
	}
	return Head{r.Seq, r.Hash}, err
}

// rotate gives the full file its lasting name, and writes its end to the Logger: who removes the file later needs that
// to verify the others. open makes the next one.
func (l *File) rotate(ctx context.Context) error {
	r, err := l.firstRecord()
	if err != nil {
		return err
	}
	ext := filepath.Ext(l.c.Path)
	full := fmt.Sprintf("%s-%012d%s", strings.TrimSuffix(l.c.Path, ext), r.Seq, ext)
	if _, err := os.Lstat(full); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("audit: the file is full, and %s exists already", full)
	}
	err = errors.Join(l.f.Sync(), l.f.Close())
	l.f = nil
	if err == nil {
		err = os.Rename(l.c.Path, full)
	}
	if err != nil {
		return fmt.Errorf("audit: beginning the next file: %w", err)
	}
	l.logEnd(ctx, l.head)
	return nil
}

// firstRecord reads the first line of the current file.
func (l *File) firstRecord() (record, error) {
	start := make([]byte, min(l.size, maxLine))
	if _, err := l.f.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return record{}, fmt.Errorf("audit: reading the log: %w", err)
	}
	line, _, _ := bytes.Cut(start, []byte("\n"))
	r, err := parseRecord(l.sum, line)
	if err != nil {
		return record{}, fmt.Errorf("audit: %w: the first record of %s %w", ErrChain, l.c.Path, err)
	}
	return r, nil
}

// replaced reports whether the file under the path is another one than f: somebody removed or renamed f, and what is
// written to it would be lost.
func (l *File) replaced() bool {
	there, err := os.Stat(l.c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	mine, mineErr := l.f.Stat()
	return err == nil && mineErr == nil && !os.SameFile(there, mine)
}

// shortened reports whether the file has less than what was written, and its size.
func (l *File) shortened() (int64, bool) {
	info, err := l.f.Stat()
	if err != nil {
		return 0, false
	}
	return info.Size(), info.Size() < l.size
}

// syncFolder makes the name of a new file last.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // where a folder cannot be synced
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("audit: syncing the folder of the log: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("audit: syncing the folder of the log: %w", err)
	}
	return nil
}
