package audit_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/session"
)

// TestFile_Format: a line is what the documentation states, so that other programs can verify a log.
func TestFile_Format(t *testing.T) {
	path := logPath(t)
	key := bytes.Repeat([]byte("k"), 32)
	writeLog(t, audit.FileConfig{Path: path, Key: key}, 2)
	prev := ""
	for i, line := range lines(t, path) {
		body, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), `,"hash":"`)
		m := hmac.New(sha256.New, key)
		m.Write([]byte(body))
		if sum := hex.EncodeToString(m.Sum(nil)); !ok || rest != sum+`"}` {
			t.Fatalf("line %d has the hash %s, want %s", i+1, rest, sum)
		} else if !strings.HasPrefix(body, fmt.Sprintf(`{"seq":%d,"prev":%q,`, i+1, prev)) {
			t.Fatalf("line %d begins with %.100s", i+1, body)
		} else {
			prev = sum
		}
	}
	want := `"event":"sign-in failed","time":"2026-11-28T12:00:00Z","kind":"user","subject":"google:1","user":"u","session":"s1",` +
		`"actor":"a1","provider":"google","reason":"access_denied","address":"203.0.113.9","agent":"Firefox","error":"the provider refused"`
	f := newFile(t, audit.FileConfig{Path: path, Key: key})
	f.Event(t.Context(), event("u"))
	if got := lines(t, path)[3]; !strings.Contains(got, want) {
		t.Errorf("the line is %s", got)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v: %v", info.Mode(), err)
	}
}

// TestVerify_SameKey: the log of another server with the same key verifies, except with a kept head. With another
// key it does not.
func TestVerify_SameKey(t *testing.T) {
	mine, other := logPath(t), logPath(t)
	key, another := bytes.Repeat([]byte("k"), 32), bytes.Repeat([]byte("a"), 32)
	head := writeLog(t, audit.FileConfig{Path: mine, Key: key}, 2)
	writeLog(t, audit.FileConfig{Path: other, Key: key}, 2)
	c := audit.VerifyConfig{Files: []string{other}, Key: key}
	if _, err := audit.Verify(c); err != nil {
		t.Error(err)
	}
	c.Head = head.Hash
	if _, err := audit.Verify(c); !errors.Is(err, audit.ErrHead) {
		t.Errorf("with a head: %v", err)
	}
	if _, err := audit.Verify(audit.VerifyConfig{Files: []string{other}, Key: another}); !errors.Is(err, audit.ErrChain) {
		t.Errorf("with another key: %v", err)
	}
}

// TestVerify_Forgeries: each change of a log is found. Records that are missing at the end are found with a head only.
func TestVerify_Forgeries(t *testing.T) {
	path := logPath(t)
	head := writeLog(t, audit.FileConfig{Path: path}, 5)
	good := lines(t, path)
	if len(good) != 6 {
		t.Fatalf("%d lines", len(good))
	}
	without := func(i int) []string { return append(append([]string{}, good[:i]...), good[i+1:]...) }
	at := func(i int, line string) []string {
		return append(append(append([]string{}, good[:i]...), line), good[i+1:]...)
	}
	// rehash is the work of a forger without a key: the hash of this line is right again.
	rehash := func(line string) string {
		body, _, _ := strings.Cut(line, `,"hash":"`)
		sum := sha256.Sum256([]byte(body))
		return body + `,"hash":"` + hex.EncodeToString(sum[:]) + "\"}\n"
	}
	for name, forged := range map[string][]string{
		"a letter":                  at(2, strings.Replace(good[2], "google", "goggle", 1)),
		"a letter of the last":      at(5, strings.Replace(good[5], "google", "goggle", 1)),
		"a letter, hashed anew":     at(2, rehash(strings.Replace(good[2], "google", "goggle", 1))),
		"a record less":             without(2),
		"a record twice":            append(append(append([]string{}, good[:3]...), good[2]), good[3:]...),
		"in another order":          append(append(append([]string{}, good[:2]...), good[3], good[2]), good[4:]...),
		"without hash":              at(2, "{}\n"),
		"an empty line":             at(2, "\n"+good[2]),
		"white space":               at(2, " "+good[2]),
		"a second member, hashed":   at(5, rehash(strings.Replace(good[5], `,"event"`, `,"seq":6,"event"`, 1))[1:]),
		"other spelling, hashed":    at(5, rehash(strings.Replace(good[5], `{"seq"`, `{ "seq"`, 1))),
		"begins with a predecessor": at(0, rehash(strings.Replace(good[0], `"prev":""`, `"prev":"00"`, 1)))[:1],
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, strings.Join(forged, ""))
			if r, err := audit.Verify(audit.VerifyConfig{Files: []string{path}}); !errors.Is(err, audit.ErrChain) {
				t.Errorf("got %+v and %v", r, err)
			}
		})
	}
	hashOf := func(line string) string { return strings.Split(line, `"hash":"`)[1][:64] }
	for name, tc := range map[string]struct {
		lines []string
		head  string
		after string
		want  error
	}{
		"whole":                       {good, head.Hash, "", nil},
		"whole, letters of the other": {good, strings.ToUpper(head.Hash), "", nil},
		"an older head":               {good, hashOf(good[3]), "", nil},
		"shorter, without a head":     {good[:4], "", "", nil},
		"shorter, with the head":      {good[:4], head.Hash, "", audit.ErrHead},
		"the head before the first":   {good[4:], hashOf(good[3]), hashOf(good[3]), audit.ErrHead},
		"cut off at the front":        {good[4:], "", "", audit.ErrStart},
		"the same, with the head":     {good[4:], head.Hash, "", audit.ErrStart},
		"from a record on":            {good[4:], head.Hash, hashOf(good[3]), nil},
		"letters of the other":        {good[4:], "", strings.ToUpper(hashOf(good[3])), nil},
		"one more cut off":            {good[5:], "", hashOf(good[3]), audit.ErrStart},
		"one less cut off":            {good[3:], "", hashOf(good[3]), audit.ErrStart},
		"whole, but after a record":   {good, "", hashOf(good[3]), audit.ErrStart},
	} {
		write(t, path, strings.Join(tc.lines, ""))
		if _, err := audit.Verify(audit.VerifyConfig{Files: []string{path}, Head: tc.head, After: tc.after}); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

// TestVerify_EachBit: with a head, no bit of a log can change.
func TestVerify_EachBit(t *testing.T) {
	path := logPath(t)
	head := writeLog(t, audit.FileConfig{Path: path}, 2)
	good := []byte(strings.Join(lines(t, path), ""))
	for i := range good {
		for bit := range 8 {
			forged := bytes.Clone(good)
			forged[i] ^= 1 << bit
			write(t, path, string(forged))
			if r, err := audit.Verify(audit.VerifyConfig{Files: []string{path}, Head: head.Hash}); err == nil {
				t.Fatalf("bit %d of byte %d: %+v", bit, i, r)
			}
		}
	}
}

// TestVerify_Key: without the key, a forger who makes the whole chain anew is found.
func TestVerify_Key(t *testing.T) {
	path := logPath(t)
	key, err := audit.ParseKey(strings.Repeat("ab", 32) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	writeLog(t, audit.FileConfig{Path: path, Key: key}, 3)
	if r := verify(t, path, key); r.Records != 4 || !r.Keyed {
		t.Errorf("got %+v", r)
	}
	other, _ := audit.ParseKey(strings.Repeat("cd", 32))
	for _, wrong := range [][]byte{nil, other} {
		if _, err := audit.Verify(audit.VerifyConfig{Files: files(t, path), Key: wrong}); !errors.Is(err, audit.ErrChain) {
			t.Errorf("with another key: %v", err)
		}
		if _, err := audit.NewFile(audit.FileConfig{Path: path, Key: wrong}); !errors.Is(err, audit.ErrChain) {
			t.Errorf("another key continues the chain: %v", err)
		}
	}
	anew := logPath(t)
	writeLog(t, audit.FileConfig{Path: anew}, 3)
	if _, err := audit.Verify(audit.VerifyConfig{Files: files(t, anew), Key: key}); !errors.Is(err, audit.ErrChain) {
		t.Errorf("a chain of plain SHA-256 passes for one with a key: %v", err)
	}
	for _, bad := range []string{"", "ab", strings.Repeat("ab", 31), strings.Repeat("xy", 32)} {
		if _, err := audit.ParseKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("ParseKey(%q): %v", bad, err)
		}
	}
}

// TestFile_Rotates: full files keep their records, the chain goes on over files and restarts, also after a crash
// between two files.
func TestFile_Rotates(t *testing.T) {
	path := logPath(t)
	var log bytes.Buffer
	c := audit.FileConfig{Path: path, MaxBytes: 2000, Logger: logTo(&log)}
	for range 5 {
		writeLog(t, c, 7)
	}
	r := verify(t, path, nil)
	if r.Files < 5 || r.First != 1 || r.Records != 35+uint64(r.Files) {
		t.Fatalf("got %+v", r)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "audit-000000000001.jsonl")); err != nil {
		t.Error(err)
	}
	all := files(t, path)
	if r, err := audit.Verify(audit.VerifyConfig{Files: all[1:]}); !errors.Is(err, audit.ErrStart) {
		t.Errorf("without the oldest file: %+v, %v", r, err)
	}
	oldest, err := audit.Verify(audit.VerifyConfig{Files: all[:1]})
	if err != nil || !strings.Contains(log.String(), fmt.Sprintf(`"msg":"audit: head","path":%q,"seq":%d,"hash":%q}`, path, oldest.Last, oldest.Head)) {
		t.Errorf("the end of the oldest file, %+v, is not in the log: %v", oldest, err)
	}
	if r, err := audit.Verify(audit.VerifyConfig{Files: all[1:], After: oldest.Head}); err != nil || r.First != oldest.Last+1 {
		t.Errorf("after the oldest file: %+v, %v", r, err)
	}
	if _, err := audit.Verify(audit.VerifyConfig{Files: append([]string{all[0]}, all[2:]...)}); !errors.Is(err, audit.ErrChain) {
		t.Errorf("a missing file is not found: %v", err)
	}
	for _, crash := range []string{"no new file", "an empty new file", "half a line in the new file"} {
		last := verify(t, path, nil).Last
		if err := os.Rename(path, strings.TrimSuffix(path, ".jsonl")+fmt.Sprintf("-%012d.jsonl", last)); err != nil {
			t.Fatal(err)
		}
		switch crash {
		case "an empty new file":
			write(t, path, "")
		case "half a line in the new file":
			write(t, path, `{"seq":`)
		}
		writeLog(t, c, 1)
		if r := verify(t, path, nil); r.Last <= last+1 {
			t.Errorf("%s: %+v after %d", crash, r, last)
		}
	}
}

// TestFile_RotationFails: a file that cannot be put aside grows, and no event is lost.
func TestFile_RotationFails(t *testing.T) {
	path := logPath(t)
	var log bytes.Buffer
	f := newFile(t, audit.FileConfig{Path: path, MaxBytes: 1000, Logger: logTo(&log)})
	write(t, strings.TrimSuffix(path, ".jsonl")+"-000000000001.jsonl", "in the way")
	for range 20 {
		f.Event(t.Context(), event("u"))
	}
	if s := f.Stats(); s.Lost != 0 || s.Written != 21 || !strings.Contains(log.String(), "exists already") {
		t.Errorf("%+v, log %s", s, log.String())
	}
	if _, err := audit.Verify(audit.VerifyConfig{Files: []string{path}}); err != nil {
		t.Error(err)
	}
}

// TestFile_UnfinishedLine: wherever a crash cut the last line, the next start removes the rest and states it.
func TestFile_UnfinishedLine(t *testing.T) {
	path := logPath(t)
	writeLog(t, audit.FileConfig{Path: path}, 3)
	good := strings.Join(lines(t, path), "")
	last := lines(t, path)[3]
	for cut := 1; cut < len(last); cut += 7 {
		write(t, path, good+last[:cut])
		writeLog(t, audit.FileConfig{Path: path}, 1)
		r := verify(t, path, nil)
		if r.Records != 6 || r.Unfinished != 0 {
			t.Fatalf("cut after %d: %+v", cut, r)
		}
		if got := lines(t, path)[4]; !strings.Contains(got, `"event":"audit repaired"`) || !strings.Contains(got, fmt.Sprintf(`"reason":"%d bytes`, cut)) {
			t.Fatalf("cut after %d: %s", cut, got)
		}
	}
	write(t, path, good+last[:50])
	if r, err := audit.Verify(audit.VerifyConfig{Files: []string{path}}); err != nil || r.Unfinished != 50 || r.Records != 4 {
		t.Errorf("Verify beside a writer: %+v, %v", r, err)
	}
	write(t, path, good+"whole, but of somebody else\n")
	if _, err := audit.NewFile(audit.FileConfig{Path: path}); !errors.Is(err, audit.ErrChain) {
		t.Errorf("a foreign line was continued: %v", err)
	}
}

// TestFile_Removed: a program whose file was moved or removed does not go on writing to what has no name.
func TestFile_Removed(t *testing.T) {
	path, clock := logPath(t), testclock.New(start)
	var log bytes.Buffer
	f := newFile(t, audit.FileConfig{Path: path, Now: clock.Now, Logger: logTo(&log)})
	f.Event(t.Context(), event("u"))
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "audit-moved.jsonl")); err != nil {
		t.Skip("this system does not rename open files")
	}
	clock.Advance(2 * time.Second)
	f.Event(t.Context(), event("u"))
	if r := verify(t, path, nil); r.Files != 2 || r.Records != 4 {
		t.Errorf("got %+v", r)
	}
	if !strings.Contains(log.String(), "moved or removed") {
		t.Errorf("the log is %s", log.String())
	}
}

// TestFile_Shortened: records that another program cut off are missing in the chain, and that is reported.
func TestFile_Shortened(t *testing.T) {
	path, clock := logPath(t), testclock.New(start)
	var log bytes.Buffer
	f := newFile(t, audit.FileConfig{Path: path, Now: clock.Now, Logger: logTo(&log)})
	f.Event(t.Context(), event("u"))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2 * time.Second)
	f.Event(t.Context(), event("u"))
	if r, err := audit.Verify(audit.VerifyConfig{Files: files(t, path)}); !errors.Is(err, audit.ErrStart) || r.First != 3 || r.Records != 2 || !strings.Contains(log.String(), "cut off") {
		t.Errorf("%+v, %v, log %s", r, err, log.String())
	}
}

// TestFile_Alone: a second writer is refused.
func TestFile_Alone(t *testing.T) {
	path := logPath(t)
	f := newFile(t, audit.FileConfig{Path: path})
	if _, err := audit.NewFile(audit.FileConfig{Path: path}); !errors.Is(err, audit.ErrLocked) {
		t.Fatalf("got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	f.Event(t.Context(), event("u"))
	if s := f.Stats(); s.Lost != 1 || s.Err == nil {
		t.Errorf("an event after Close: %+v", s)
	}
	writeLog(t, audit.FileConfig{Path: path}, 1)
}

// TestFile_Refuses: paths and settings that would give a log nobody can trust.
func TestFile_Refuses(t *testing.T) {
	open := logPath(t)
	write(t, open, "")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	link := logPath(t)
	if err := os.Symlink(open, link); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	for name, c := range map[string]audit.FileConfig{
		"no path":    {},
		"short key":  {Path: logPath(t), Key: []byte("short")},
		"negative":   {Path: logPath(t), MaxBytes: -1},
		"no folder":  {Path: filepath.Join(t.TempDir(), "none", "audit.jsonl")},
		"a folder":   {Path: t.TempDir()},
		"writable":   {Path: open},
		"a link":     {Path: link},
		"not a file": {Path: filepath.Join(open, "audit.jsonl")},
	} {
		if runtime.GOOS == "windows" && (name == "writable" || name == "a link") {
			continue
		}
		if f, err := audit.NewFile(c); err == nil {
			_ = f.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestFile_ManyEvents: a hundred thousand events of many goroutines are one chain, in several files.
func TestFile_ManyEvents(t *testing.T) {
	const goroutines, each = 20, 5000
	path := logPath(t)
	f := newFile(t, audit.FileConfig{Path: path, MaxBytes: 8 << 20})
	began := time.Now()
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				f.Event(context.Background(), session.Event{Name: "sign-in", Time: start, UserID: fmt.Sprintf("%d-%d", g, i)})
			}
		})
	}
	wg.Wait()
	t.Logf("%v for an event", time.Since(began)/(goroutines*each))
	head := f.Head()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(audit.VerifyConfig{Files: files(t, path), Head: head.Hash})
	if err != nil || r.Records != goroutines*each+uint64(r.Files) || r.Files < 2 || r.Lost != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func BenchmarkFile(b *testing.B) {
	for name, each := range map[string]bool{"written": false, "synced": true} {
		b.Run(name, func(b *testing.B) {
			f := newFile(b, audit.FileConfig{Path: logPath(b), SyncEach: each})
			e := event("u")
			for b.Loop() {
				f.Event(context.Background(), e)
			}
		})
	}
}
