package journeys

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// faulty is a page with the faults that the other tests look for.
const faulty = `<!doctype html><html lang="en"><title>Faults</title>
<style>
a{position:relative;display:block;width:9em;outline-offset:2px}
a:focus-visible{outline:3px solid #000}
#none:focus-visible{outline:none}
#thin:focus-visible{outline-width:1px}
#pale:focus-visible{outline-color:#ddd}
#away{position:absolute;left:-99em}
#cover{position:absolute;inset:0 0 auto;height:2em;z-index:1}
</style>
<p style="position:relative"><a href="#x" id="under">under</a><span id="cover"></span>
<p><a href="#x">good</a><a href="#x" id="none">none</a><a href="#x" id="thin">thin</a><a href="#x" id="pale">pale</a><a href="#x" id="away">away</a>
<p><button type="button" onclick="1">handler</button>
<form action="//evil.example/"></form>
<script>pwned()</script>`

// TestFaultsAreFound: what the other tests look for is found where it is.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := newReader(t, s, "ada@example.com")
	r.open(site + "/faults")
	if bad := r.taken(); !slices.Contains(bad, "a script of a payload runs") {
		t.Errorf("the browser complains about %q", bad)
	}
	found := strings.Join(r.strange(false), "\n")
	for _, want := range []string{"the attribute onclick", "the attribute style", "the address //evil.example/", "the inline <style>", "the inline <script>"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not found, but\n%s", want, found)
		}
	}

	p := newPerson(t, s, keyboard, "ada@example.com")
	p.run(onEachPage("globalThis.pwned = () => {}"))
	p.open(site + "/faults")
	for _, c := range []struct{ link, wrong string }{
		{"under", "something lies above it"}, {"good", ""}, {"none", "its outline is"}, {"thin", "its outline is"}, {"pale", "does not show on"}, {"away", "it is not in the window"},
	} {
		var at focus
		p.run(chromedp.KeyEvent(kb.Tab))
		p.ask(&at, "focused", true)
		wrong := strings.Join(at.Wrong, ", ")
		if !strings.Contains(at.What, c.link) || c.wrong == "" && wrong != "" || !strings.Contains(wrong, c.wrong) {
			t.Errorf("Tab leads to %s: %q, want %s with %q", at.What, wrong, c.link, c.wrong)
		}
	}
}
