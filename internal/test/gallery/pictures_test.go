package gallery

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write the pictures, docs/pages.md and the golden files anew")

const (
	pictures = root + "/docs/images/pages"
	album    = root + "/docs/pages.md"
	made     = "testdata/pictures.txt"

	remake = "run go test ./internal/test/gallery -run 'TestTrees|TestPictures' -update"
)

// A frame is a way in which a page is photographed.
type frame struct {
	suffix   string
	width    int64
	height   int64 // of the window
	cut      bool  // the picture has this height too; else that of the page
	scheme   string
	language string
}

// frames are those of every scene.
var frames = []frame{
	{"360", 360, 720, false, "light", "en"},
	{"1280", 1280, 720, false, "light", "en"},
	{"360-dark", 360, 720, false, "dark", "en"},
	{"1280-dark", 1280, 720, false, "dark", "en"},
	{"360-rtl", 360, 720, false, "light", "ar"},
}

// Frames of mails: every mail is shown light, some in the other ways too.
var (
	mailFrame  = frame{"480", 480, 360, false, "light", "en"}
	mailFrames = []frame{{"480-dark", 480, 360, false, "dark", "en"}, {"480-rtl", 480, 360, false, "light", "ar"}}
	mailsAlso  = []string{"magic.sign-in", "password.changed"}
)

// Covers are the pictures of the README. They have one height, so that they stand in rows.
var (
	phone = frame{"cover", 400, 900, true, "light", "en"}
	wide  = frame{"cover", 1280, 800, true, "light", "en"}
	night = frame{"cover-dark", 400, 900, true, "dark", "en"}
	rtl   = frame{"cover-rtl", 400, 900, true, "light", "ar"}

	covers = map[string][]frame{
		"postern.choose": {phone, night, rtl}, "postern.account-security": {wide}, "admin.user": {wide}, "mail-magic.sign-in": {phone},
	}
)

// A picture is a file of docs/images/pages.
type picture struct {
	file  string
	frame frame
	shot  shot
}

func (f frame) of(name string) string { return name + "-" + f.suffix + ".png" }

// planned returns the pictures of the scenes and of mails, frame after frame.
func planned(t *testing.T, mails []letter) (all []picture) {
	t.Helper()
	add := func(f frame, s shot) { all = append(all, picture{f.of(s.name()), f, s.in(f.language)}) }
	shots := reached(t)
	for _, f := range frames {
		for _, s := range shots {
			add(f, s)
		}
	}
	for _, m := range mails {
		add(mailFrame, m.shot)
		for _, f := range mailFrames {
			if m.also() {
				add(f, m.shot)
			}
		}
		shots = append(shots, m.shot)
	}
	for _, s := range shots {
		for _, f := range covers[s.name()] {
			add(f, s)
		}
	}
	return all
}

// takePictures takes the pictures, those of postern dev too.
func takePictures(t *testing.T, all []picture) {
	t.Helper()
	if err := os.RemoveAll(pictures); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newStudio(t, newWorld(t))
	for len(all) > 0 { // those of one frame, one after the other
		f, shots := all[0].frame, []shot{}
		for len(all) > 0 && all[0].frame == f {
			shots, all = append(shots, all[0].shot), all[1:]
		}
		s.each(t, shots, func(tab *studio) { tab.window(f.width, f.height, f.scheme) }, func(tab *studio, shot shot) {
			tab.show(shot)
			tab.photograph(f, shot.name())
		})
	}
	takeDevPictures(t)
}

// photograph writes the picture of the page that the tab shows.
func (s *studio) photograph(f frame, name string) {
	s.Helper()
	var taken []byte
	if f.cut {
		s.run(chromedp.CaptureScreenshot(&taken))
	} else {
		s.run(chromedp.FullScreenshot(&taken, 100))
	}
	if err := os.WriteFile(filepath.Join(pictures, f.of(name)), reduced(s, taken), 0o644); err != nil {
		s.Fatal(err)
	}
}

// TestPictures: docs/pages.md is that of the gallery, each of its pictures is there and small, and was made from the
// page and the style sheet as they are now. With -update all are made anew first.
func TestPictures(t *testing.T) {
	begun := time.Now()
	mails := letters(t)
	all := planned(t, mails)
	page, sources := albumPage(mails), sourcesOf(t, all)
	if *update {
		takePictures(t, all)
		for file, text := range map[string]string{album: page, made: sources} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := read(t, album); got != page {
		t.Error("docs/pages.md does not list the pages of the gallery: " + remake)
	}
	if old := stale(read(t, made), sources); len(old) > 0 {
		t.Errorf("%d pictures show what is not so any more: %s\n%s", len(old), remake, strings.Join(old[:min(len(old), 12)], "\n"))
	}
	total := filesAre(t, sources)
	if total > 10<<20 {
		t.Errorf("the pictures have %d KB together", total>>10)
	}
	t.Logf("%d pictures, %d KB, %s", strings.Count(sources, "\n"), total>>10, time.Since(begun).Round(time.Second))
}

// filesAre fails unless the folder has the pictures of a list and no others. It returns how many bytes they have.
func filesAre(t *testing.T, sources string) (total int64) {
	t.Helper()
	known := hashesOf(sources)
	files, err := os.ReadDir(pictures)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		if known[file.Name()] == "" {
			t.Errorf("%s is of no page", file.Name())
		}
		delete(known, file.Name())
	}
	for name := range known {
		t.Errorf("there is no picture %s", name)
	}
	return total
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
}
