package gallery

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// lost returns what would be lost with the colours of the system: edges of what is pressed or typed into, the focus,
// the current entry of the menu, pictures, and movement that nobody wants.
const lost = `(() => {
	const faults = matchMedia("(forced-colors: active)").matches ? [] : ["the colours are those of the page"];
	const name = e => e.tagName + " " + e.className + " " + e.textContent.trim().slice(0, 30);
	const seen = e => e.getClientRects().length && !e.closest(".away, .skip, [hidden]");
	const ground = getComputedStyle(document.body).backgroundColor;
	const edge = (e, side) => {
		const style = getComputedStyle(e);
		return style["border" + side + "Style"] !== "none" && parseFloat(style["border" + side + "Width"]) >= 1 && style["border" + side + "Color"] !== ground;
	};
	for (const e of document.querySelectorAll("button, input, select, textarea, .ways a, .badge, .note, .card:not(.lead), .narrow .card, .letter")) {
		if (seen(e) && e.type !== "checkbox" && !["Top", "Right", "Bottom", "Left"].every(side => edge(e, side))) {
			faults.push("no edge: " + name(e));
		}
	}
	for (const e of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
		if (!seen(e)) {
			continue;
		}
		e.focus();
		const style = getComputedStyle(e);
		if (document.activeElement === e && (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 || style.outlineColor === ground)) {
			faults.push("no focus: " + name(e));
		}
	}
	const current = document.querySelector(".menu [aria-current]"), other = document.querySelector(".menu a:not([aria-current])");
	if (current && other && getComputedStyle(current).borderBottomWidth === getComputedStyle(other).borderBottomWidth) {
		faults.push("the current entry of the menu looks like the others");
	}
	for (const path of document.querySelectorAll(".mark *")) {
		const fill = getComputedStyle(path).fill;
		if (seen(path) && (fill === ground || fill === "rgb(0, 0, 0)" && getComputedStyle(path.closest("a")).color !== fill)) {
			faults.push("a mark in the colour of the ground: " + path.outerHTML.slice(0, 60));
		}
	}
	for (const figure of document.querySelectorAll(".figure")) {
		const [light, dark] = [...figure.children].map(e => getComputedStyle(e).fill);
		if (light !== "rgb(255, 255, 255)" || dark !== "rgb(0, 0, 0)" || getComputedStyle(figure).backgroundColor !== light) {
			faults.push("a camera cannot read the picture: " + dark + " on " + light);
		}
	}
	for (const e of document.querySelectorAll("*")) {
		const style = getComputedStyle(e);
		if (style.transitionDuration !== "0s" || style.animationName !== "none") {
			faults.push("moves: " + name(e));
		}
	}
	return [...new Set(faults)].slice(0, 8);
})()`

// TestForcedColors: with the colours of the system, as people with low vision set them, no page says anything by the
// colour of a ground alone, and axe-core finds no fault. Nothing moves for a person who wants that.
func TestForcedColors(t *testing.T) {
	newStudio(t, newWorld(t)).each(t, reached(t), (*studio).axe, func(tab *studio, shot shot) {
		tab.show(shot)
		for _, scheme := range []string{"light", "dark"} {
			tab.window(1280, 800, scheme, "forced-colors: active")
			var faults []string
			tab.evaluate(lost, &faults)
			if scheme == "light" {
				faults = append(faults, tab.faults()...)
			}
			for _, fault := range faults {
				tab.Errorf("%s, %s: %s", shot.name(), scheme, fault)
			}
		}
	})
}

// TestPrint: recovery codes on paper are black on white, also from a dark page, without anything to press.
func TestPrint(t *testing.T) {
	s := newStudio(t, newWorld(t))
	for _, shot := range reached(t) {
		if shot.page != "recovery.codes" {
			continue
		}
		s.show(shot)
		s.window(1280, 800, "dark")
		s.run(chromedp.ActionFunc(func(ctx context.Context) error { return emulation.SetEmulatedMedia().WithMedia("print").Do(ctx) }))
		var paper struct {
			Codes, Buttons int
			Colors         []string
		}
		s.evaluate(`(() => {
			const shown = selector => [...document.querySelectorAll(selector)].filter(e => e.getClientRects().length);
			const colors = shown("h1, p, dt, dd").map(e => {
				let ground = e;
				while (ground && getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
				return getComputedStyle(e).color + " on " + (ground ? getComputedStyle(ground).backgroundColor : "paper");
			});
			return {codes: shown("dd").length, buttons: shown("button, a, select").length, colors: [...new Set(colors)]};
		})()`, &paper)
		if paper.Codes != 10 || paper.Buttons != 0 || strings.Join(paper.Colors, "; ") != "rgb(0, 0, 0) on rgb(255, 255, 255)" {
			t.Errorf("%+v", paper)
		}
		return
	}
	t.Error("there is no page with recovery codes")
}
