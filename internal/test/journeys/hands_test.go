package journeys

import (
	"strings"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hands are how a person uses a page.
type hands struct {
	name     string
	keyboard bool // and nothing else
	noScript bool // JavaScript is off
}

var (
	mouse    = hands{name: "mouse"}
	noScript = hands{name: "without JavaScript", noScript: true}
	keyboard = hands{name: "keyboard", keyboard: true}
)

// split takes "Heading > Name" apart: the name of an element, and the heading of the part of the page that it is in.
func split(name string) (element, title string) {
	if title, element, ok := strings.Cut(name, " > "); ok {
		return element, title
	}
	return name, ""
}

// reach makes an element the one that the person uses: the pointer presses it, or Tab leads to it.
func (p *person) reach(role, name string) {
	p.Helper()
	element, title := split(name)
	if p.hands.keyboard {
		p.tabTo(role, element, title)
		return
	}
	var at struct {
		X, Y float64
		Free bool
	}
	p.ask(&at, "aim", role, element, title)
	if !at.Free {
		p.Fatalf("something lies above %s %q\n%s", role, name, p.scene())
	}
	p.run(chromedp.MouseClickXY(at.X, at.Y))
}

// fill replaces what is in a field. With the mouse the text is pasted.
func (p *person) fill(label, text string) *person {
	p.Helper()
	p.reach("field", label)
	p.run(input.DispatchKeyEvent(input.KeyRawDown).WithKey("a").WithCode("KeyA").WithModifiers(input.ModifierCtrl).WithCommands([]string{"selectAll"}),
		input.DispatchKeyEvent(input.KeyUp).WithKey("a").WithCode("KeyA").WithModifiers(input.ModifierCtrl))
	if p.hands.keyboard {
		p.run(chromedp.KeyEvent(text))
	} else {
		p.run(input.InsertText(text))
	}
	p.has(label, text)
	return p
}

// has fails unless a field has a value.
func (p *person) has(label, want string) *person {
	p.Helper()
	element, title := split(label)
	var got string
	if p.ask(&got, "value", element, title); got != want {
		p.Fatalf("the field %q has %q, want %q\n%s", label, got, want, p.scene())
	}
	return p
}

// choose chooses an option of a list.
func (p *person) choose(label, option string) *person {
	p.Helper()
	element, title := split(label)
	var away int
	p.ask(&away, "option", element, title, option)
	if !p.hands.keyboard {
		var done bool
		p.ask(&done, "choose", element, title, option) // the list that a click opens is not in the page
		return p
	}
	p.reach("field", label)
	for ; away > 0; away-- {
		p.run(chromedp.KeyEvent(kb.ArrowDown))
	}
	for ; away < 0; away++ {
		p.run(chromedp.KeyEvent(kb.ArrowUp))
	}
	if p.ask(&away, "option", element, title, option); away != 0 {
		p.Fatalf("the keys do not choose %q\n%s", option, p.scene())
	}
	return p
}

// tick changes a checkbox.
func (p *person) tick(label string) *person {
	p.Helper()
	p.reach("field", label)
	if p.hands.keyboard {
		p.run(chromedp.KeyEvent(" "))
	}
	return p
}

// reveal opens what is shown only when asked for.
func (p *person) reveal(summary string) *person {
	p.Helper()
	p.reach("summary", summary)
	if p.hands.keyboard {
		p.run(chromedp.KeyEvent(" "))
	}
	return p
}

// press presses a button and waits for the next page.
func (p *person) press(button string) *person { p.Helper(); return p.pressRefused(button, 200) }

// pressRefused is press for an answer with another status.
func (p *person) pressRefused(button string, status int64) *person {
	p.Helper()
	p.leave(status, func() { p.touch("button", button) })
	return p
}

// follow follows a link.
func (p *person) follow(link string) *person { p.Helper(); return p.followRefused(link, 200) }

// followRefused is follow for a page that has another status.
func (p *person) followRefused(link string, status int64) *person {
	p.Helper()
	p.leave(status, func() { p.touch("link", link) })
	return p
}

// touch presses a button or a link. Space presses a button, and Enter a link.
func (p *person) touch(role, name string) {
	p.Helper()
	p.reach(role, name)
	switch {
	case !p.hands.keyboard:
	case role == "button":
		p.run(chromedp.KeyEvent(" "))
	default:
		p.run(chromedp.KeyEvent(kb.Enter))
	}
}

// enter presses Enter in a field, which sends its form.
func (p *person) enter(label, text string) *person {
	p.Helper()
	p.fill(label, text)
	p.leave(200, func() { p.run(chromedp.KeyEvent(kb.Enter)) })
	return p
}

// A focus is the element that has it.
type focus struct {
	At    int // among the stops of the page; -1: none
	What  string
	Wrong []string
	Parts bool // Tab goes through the parts of the field, such as those of a date
}

// tabTo presses Tab or Shift and Tab until an element has the focus, and looks at each stop.
func (p *person) tabTo(role, name, title string) {
	p.Helper()
	var to, count int
	var at focus
	p.ask(&to, "place", role, name, title)
	p.ask(&count, "stops")
	p.ask(&at, "focused", false)
	back := at.At > to
	for steps := 0; at.At != to; steps++ {
		if steps > count+8 {
			p.Fatalf("Tab does not lead to %s %q, stop %d, but to %s, stop %d of %d\n%s", role, name, to, at.What, at.At, count, p.scene())
		}
		before := at.At
		key := chromedp.KeyEvent(kb.Tab)
		if back {
			key = chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(input.ModifierShift))
		}
		p.run(key)
		p.ask(&at, "focused", !strings.HasPrefix(p.url(), mailbox)) // a mail program draws its own
		for _, wrong := range at.Wrong {
			p.Errorf("Tab leads to %s: %s\n%s", at.What, wrong, p.scene())
		}
		if at.At == before && at.Parts {
			continue
		}
		if !back && before >= 0 && at.At != before+1 || back && at.At != before-1 {
			p.Fatalf("Tab leads from stop %d to stop %d, %s (back: %v)\n%s", before, at.At, at.What, back, p.scene())
		}
	}
}

func (p *person) url() (url string) {
	p.run(chromedp.Location(&url))
	return url
}
