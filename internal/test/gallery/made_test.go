package gallery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unseen is what no picture shows: where links and forms lead, what forms hold unseen, and the name of the style sheet,
// whose content counts. An id of a user and a mailed code are made by chance.
var unseen = regexp.MustCompile(`<link [^>]*>|<input type="hidden"[^>]*>|<script[^>]*>|\s(?:href|action|content|data-[a-z]+)="[^"]*"|[a-z0-9]{20,}|\b\d{4} \d{4}\b`)

// madeFrom is a hash of all that a picture shows: the page, the style sheet and the window.
func madeFrom(f frame, body, sheet string) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%+v\n%s\n%s", f, unseen.ReplaceAllString(body, ""), sheet)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// sourcesOf returns a line for each picture: its name, and the hash of what it is made from.
func sourcesOf(t *testing.T, all []picture) string {
	t.Helper()
	sheet := newWorld(t).person(t, "en").open("/assets/" + newPages(t).Sheet()).body
	if !strings.Contains(sheet, "{") {
		t.Fatalf("no style sheet: %s", sheet)
	}
	lines := []string{}
	for _, p := range all {
		lines = append(lines, p.file+" "+madeFrom(p.frame, p.shot.body, sheet)+"\n")
	}
	dev := devSource(t)
	for _, stop := range devPictures {
		for _, f := range stop.frames {
			lines = append(lines, f.of(stop.name)+" "+madeFrom(f, dev, sheet)+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// devSource is what the pages of postern dev are drawn from: the templates and their style, not what happened there.
func devSource(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"cmd/postern/pages/*.html", "internal/test/devpage/*.css", "internal/test/devpage/devpage.go", "internal/test/fakeidp/page.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}

// hashesOf reads a list of sources: hashes by the names of the pictures.
func hashesOf(list string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(list) {
		name, hash, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[name] = hash
	}
	return all
}

// stale returns the pictures that were not made from what there is now, and those that are new or gone.
func stale(before, now string) (list []string) {
	had, has := hashesOf(before), hashesOf(now)
	for name, hash := range has {
		if had[name] != hash {
			list = append(list, name)
		}
		delete(had, name)
	}
	for name := range had {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// TestPictures_NoticesChanges: a changed style sheet, text or language makes pictures stale. Where links lead and what
// forms hold unseen does not.
func TestPictures_NoticesChanges(t *testing.T) {
	const body = `<link rel="stylesheet" href="/a/page.1.css"><h1 class="lead">Sign in</h1><form action="/a?x=1"><input type="hidden" name="t" value="1"><a href="/b">Help</a></form>`
	const sheet = "h1{color:#111}"
	list := func(body, sheet string) string {
		var b strings.Builder
		for _, f := range frames {
			fmt.Fprintf(&b, "%s %s\n", f.of("page"), madeFrom(f, body, sheet))
		}
		return b.String()
	}
	before := list(body, sheet)
	if len(hashesOf(before)) != len(frames) {
		t.Fatal(before)
	}
	for name, c := range map[string]struct {
		now  string
		want int
	}{
		"nothing":          {before, 0},
		"style sheet":      {list(body, sheet+".card{transform:rotate(3deg)}"), len(frames)},
		"text":             {list(strings.Replace(body, "Sign in", "Sign up", 1), sheet), len(frames)},
		"class":            {list(strings.Replace(body, "lead", "wide", 1), sheet), len(frames)},
		"unseen value":     {list(strings.Replace(body, `value="1"`, `value="2"`, 1), sheet), 0},
		"address":          {list(strings.Replace(body, "x=1", "x=2", 1), sheet), 0},
		"name of a sheet":  {list(strings.Replace(body, "page.1", "page.2", 1), sheet), 0},
		"another language": {strings.Replace(before, hashesOf(before)["page-360-rtl.png"], "0", 1), 1},
		"a new picture":    {before + "other-360.png 12\n", 1},
		"one that is gone": {strings.Join(strings.SplitAfter(before, "\n")[1:], ""), 1},
	} {
		if got := stale(before, c.now); len(got) != c.want {
			t.Errorf("%s: %d pictures are stale, want %d: %v", name, len(got), c.want, got)
		}
	}
}
