package audit

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/session"
)

// FileConfig is the configuration of NewFile. Path is required.
type FileConfig struct {
	// Path is the current file of the log, such as /var/lib/shop/audit.jsonl. Its folder must exist. Full files stay
	// beside it, with the number of their first record: audit-000000000001.jsonl. One process at a time writes a log.
	Path string

	// Key makes the chain one of HMAC-SHA256, so that only a holder of the key can write records that verify. It has at
	// least 32 bytes and is used for nothing else, see ParseKey: a log with the same key verifies in the place of this
	// one. A log keeps its key: to change it, begin a new file.
	//
	// Defaults to a chain of SHA-256, which anybody who can write the file can also make anew.
	Key []byte

	// MaxBytes is the size at which a file is full and the next one begins.
	//
	// Defaults to 64 MiB.
	MaxBytes int64

	// SyncEach makes Event wait until its record is on the disk (fsync). Events that come at the same time share one
	// wait.
	//
	// Defaults to a sync each second by Run, and one by Close: a crash of the program loses nothing, a failure of power
	// what came in the last second. Without Run the system decides.
	SyncEach bool

	// HeadEvery is how often Run writes the end of the chain to the Logger, see [File.Head].
	//
	// Defaults to 1 hour.
	HeadEvery time.Duration

	// Logger gets the heads (level info) and failures (level error, at most one a minute).
	//
	// Defaults to slog.Default() at the time of NewFile.
	Logger *slog.Logger

	// Now is the clock. Set it in tests only.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// The names of records that a File writes beside events.
const (
	recordOpened   = "audit opened"   // first of each file
	recordRepaired = "audit repaired" // an unfinished line at the end of the file was removed
	recordLost     = "audit lost"     // events before this record could not be written
)

var (
	// ErrLocked is returned by NewFile if another process, or another File, writes the log.
	ErrLocked = errors.New("audit: another process writes this log; give each process a Path for itself")
	errClosed = errors.New("audit: the file is closed")
)

// A File is a log of events in a file of JSON lines, where each line has the hash of the line before. [Verify] reads
// them. A record that was changed, removed, added or moved is found; with FileConfig.Key also if the forger made all
// hashes anew. Records that are missing at the end are found only by a Head that was kept elsewhere: Run and Close
// write heads to the Logger.
type File struct {
	c      FileConfig
	unlock func()

	mu      sync.Mutex
	f       *os.File // nil after a failure to open the next file, and after Close
	closed  bool
	sum     hash.Hash
	buf     []byte
	head    Head
	size    int64  // of what is whole in f
	torn    bool   // f may have a part of a record after size
	first   bool   // the next record is the first of f
	pending uint64 // lost events that have no record yet
	looked  time.Time
	warned  time.Time

	// Not under mu, which a disk that hangs holds: the counts are what an alarm reads.
	written, lostEvents atomic.Uint64
	failure             atomic.Pointer[error] // nil: none

	syncMu sync.Mutex
	synced uint64 // the number of the last record that is on the disk
}

// FileStats are the counts of a File.
type FileStats struct {
	Written uint64 // records
	Lost    uint64 // events that could not be written
	Err     error  // the last failure, or nil if the last event was written
}

// NewFile opens or makes the log of a path and continues its chain. A line that a crash left unfinished is removed, and
// a record states it. Errors: ErrLocked, [ErrChain] if the last record does not verify, and those of the file system.
func NewFile(c FileConfig) (*File, error) {
	switch {
	case c.Path == "":
		return nil, errors.New("audit: FileConfig needs a Path")
	case len(c.Key) != 0 && len(c.Key) < minKey:
		return nil, fmt.Errorf("audit: FileConfig.Key has %d bytes, and needs at least %d", len(c.Key), minKey)
	case c.MaxBytes < 0 || c.HeadEvery < 0:
		return nil, errors.New("audit: FileConfig: a limit is negative")
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.HeadEvery == 0 {
		c.HeadEvery = time.Hour
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	l := &File{c: c, sum: hasher(c.Key)}
	if err := l.lock(); err != nil {
		return nil, err
	}
	if err := l.open(); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

// Event appends a record. An event that cannot be written is counted in Stats and reported to the Logger, and the next
// one that is written comes after a record with the count.
func (l *File) Event(ctx context.Context, e session.Event) {
	n := entryOf(e)
	data, err := n.json()
	if err != nil {
		l.mu.Lock()
		l.lost(ctx, err)
		l.mu.Unlock()
		return
	}
	seq, err := l.append(ctx, data)
	if err == nil && l.c.SyncEach {
		if err := l.sync(seq); err != nil {
			l.mu.Lock()
			l.warn(ctx, err)
			l.mu.Unlock()
		}
	}
}

func (l *File) append(ctx context.Context, data []byte) (seq uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		l.lost(ctx, err)
		return 0, err
	}
	if err := l.write(data); err != nil {
		l.lost(ctx, err)
		return 0, err
	}
	l.failure.Store(nil)
	return l.head.Seq, nil
}

// ready makes the file ready for a record: the right file, with a whole last line, with a record of what was lost.
func (l *File) ready(ctx context.Context) error {
	if l.closed {
		return errClosed
	}
	if now := l.c.Now(); l.f != nil && now.Sub(l.looked).Abs() >= time.Second {
		l.looked = now
		if l.replaced() {
			l.warn(ctx, errors.New("the file was moved or removed; the chain goes on in a new one"))
			_ = l.f.Close() // nobody finds it under its name
			l.f = nil
		} else if size, shorter := l.shortened(); shorter {
			l.warn(ctx, errors.New("records were cut off the file by another program; the chain goes on after them"))
			l.size, l.first = size, size == 0
		}
	}
	if l.f != nil && l.size >= l.c.MaxBytes && !l.first {
		if err := l.rotate(ctx); err != nil { // better a file that is too large than events that are lost
			l.warn(ctx, err)
		}
	}
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.pending == 0 {
		return nil
	}
	if err := l.note(recordLost, fmt.Sprintf("%d events", l.pending)); err != nil {
		return err
	}
	l.pending = 0
	return nil
}

// write appends a record whole or not at all.
func (l *File) write(data []byte) error {
	if l.first {
		l.first = false
		if err := l.note(recordOpened, ""); err != nil {
			l.first = true
			return err
		}
	}
	if l.torn {
		if err := l.f.Truncate(l.size); err != nil {
			return fmt.Errorf("audit: removing an unfinished record: %w", err)
		}
		l.torn = false
	}
	line, head := appendRecord(l.buf[:0], l.sum, l.head, data)
	l.buf = line
	if _, err := l.f.Write(line); err != nil {
		l.torn = l.f.Truncate(l.size) != nil
		return fmt.Errorf("audit: writing a record: %w", err)
	}
	l.head, l.size = head, l.size+int64(len(line))
	l.written.Add(1)
	return nil
}

// note writes a record of the log itself.
func (l *File) note(name, reason string) error {
	n := entry{Event: name, Time: l.c.Now().UTC(), Reason: reason}
	data, err := n.json()
	if err != nil {
		return err
	}
	return l.write(data)
}

// lost counts an event that is not in the file. The caller holds the lock.
func (l *File) lost(ctx context.Context, err error) {
	l.lostEvents.Add(1)
	l.pending++
	l.warn(ctx, err)
}

// warn reports a failure, at most once a minute. The caller holds the lock.
func (l *File) warn(ctx context.Context, err error) {
	l.failure.Store(&err)
	if now := l.c.Now(); l.warned.IsZero() || now.Sub(l.warned).Abs() >= time.Minute {
		l.warned = now
		l.c.Logger.ErrorContext(ctx, "audit: the log has a failure; if the disk is full, free space", "path", l.c.Path, "lost", l.lostEvents.Load(), "cause", err)
	}
}

// Head returns the end of the chain. Kept elsewhere, it proves later that no record up to it was removed or changed.
func (l *File) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Stats returns the counts. It does not wait for the disk.
func (l *File) Stats() FileStats {
	s := FileStats{Written: l.written.Load(), Lost: l.lostEvents.Load()}
	if err := l.failure.Load(); err != nil {
		s.Err = *err
	}
	return s
}

// Run syncs new records to the disk each second and writes the head to the Logger each HeadEvery, until ctx ends. It
// returns nil then. Call it in a goroutine, at most once.
func (l *File) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	heads := time.NewTicker(l.c.HeadEvery)
	defer heads.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heads.C:
			l.logHead(ctx)
		case <-tick.C:
			if err := l.sync(l.Head().Seq); err != nil && !errors.Is(err, errClosed) {
				l.mu.Lock()
				l.warn(ctx, err)
				l.mu.Unlock()
			}
		}
	}
}

func (l *File) logHead(ctx context.Context) { l.logEnd(ctx, l.Head()) }

func (l *File) logEnd(ctx context.Context, h Head) {
	l.c.Logger.InfoContext(ctx, "audit: head", "path", l.c.Path, "seq", h.Seq, "hash", h.Hash)
}

// sync puts the records up to seq on the disk. Callers that come together share a sync.
func (l *File) sync(seq uint64) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.synced >= seq {
		return nil
	}
	l.mu.Lock()
	f, upTo := l.f, l.head.Seq
	l.mu.Unlock()
	if f == nil {
		return errClosed
	}
	if err := f.Sync(); err != nil {
		if errors.Is(err, os.ErrClosed) { // it was full and is synced, or was closed
			return nil
		}
		return fmt.Errorf("audit: syncing the log: %w", err)
	}
	l.synced = upTo
	return nil
}

// Close syncs the file, writes the head to the Logger and releases the log. A second Close does nothing.
func (l *File) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	var err error
	if l.f != nil {
		err = errors.Join(l.f.Sync(), l.f.Close())
		l.f = nil
	}
	l.mu.Unlock()
	l.unlock()
	l.logHead(context.Background())
	if err != nil {
		return fmt.Errorf("audit: closing the log: %w", err)
	}
	return nil
}
