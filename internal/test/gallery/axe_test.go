package gallery

import (
	"strings"
	"testing"
)

// audit runs axe-core with the rules of WCAG 2.2 AA and its best practices, and returns a line for each fault.
const audit = `axe.run(document, {
	runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: {"target-size": {enabled: true}}, resultTypes: ["violations"],
}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + ": " + n.html.slice(0, 160) + " " + n.failureSummary + n.any.flatMap(c => c.relatedNodes.map(o => " " + o.html.slice(0, 160))).join(""))))`

// inAll returns the shots in each of some languages.
func inAll(shots []shot, languages ...string) (all []shot) {
	for _, language := range languages {
		for _, one := range shots {
			all = append(all, one.in(language))
		}
	}
	return all
}

// TestAxe: axe-core finds no fault on any page in any state, light and dark, in English, German and Arabic, and the
// browser complains about nothing: no broken Content-Security-Policy, no failed script, no request elsewhere.
func TestAxe(t *testing.T) {
	shots := inAll(reached(t), "en", "de", "ar")
	newStudio(t, newWorld(t)).each(t, shots, (*studio).axe, func(tab *studio, shot shot) {
		tab.show(shot)
		for _, scheme := range []string{"light", "dark"} {
			tab.window(1280, 800, scheme)
			for _, fault := range tab.faults() {
				tab.Errorf("%s, %s, %s: %s", shot.name(), shot.language, scheme, fault)
			}
		}
		for _, text := range tab.complaints() {
			tab.Errorf("%s: the browser complains: %s", shot.name(), text)
		}
	})
}

// spaced is the text spacing of WCAG 1.4.12, as a person sets it.
const spaced = `(() => {
	const sheet = new CSSStyleSheet();
	sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }");
	document.adoptedStyleSheets = [sheet];
})()`

// measure returns how far the page reaches to the side, and which elements hide a part of their text.
const measure = `(() => {
	const root = document.documentElement, faults = [];
	if (root.scrollWidth > root.clientWidth) {
		faults.push("reaches to " + root.scrollWidth + " of " + root.clientWidth);
	}
	for (const e of document.querySelectorAll("body *")) {
		const style = getComputedStyle(e), box = e.getBoundingClientRect();
		if (e.closest("svg, thead, .away, .skip, [hidden]") || box.width <= 1 || e.matches("input, select, textarea")) {
			continue;
		}
		if (box.right > root.clientWidth + 1 && !e.closest(".scroll") || box.left < -1) {
			faults.push(e.tagName + " " + e.className + " is outside: " + Math.round(box.left) + " to " + Math.round(box.right));
		}
		if (/^(nowrap|pre)$/.test(style.whiteSpace) && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && style.overflowX === "visible") {
			faults.push(e.tagName + " is narrower than its text");
		}
		if (style.overflowY === "hidden" && e.scrollHeight > e.clientHeight + 2 && e.clientHeight > 1) {
			faults.push(e.tagName + " hides a part of its text");
		}
	}
	return faults.slice(0, 5);
})()`

// TestReflow: no page needs scrolling to the side in a window of 320 pixels, which is one of 1280 at 400 %, and none
// loses text with the spacing of WCAG 1.4.12 or with text twice as large.
func TestReflow(t *testing.T) {
	shots := inAll(reached(t), languages...)
	newStudio(t, newWorld(t)).each(t, shots, nil, func(tab *studio, shot shot) {
		tab.window(320, 256, "light")
		tab.show(shot)
		for _, change := range []string{"0", spaced, `document.documentElement.style.fontSize = "200%"`} {
			if strings.Contains(change, "fontSize") {
				tab.window(640, 512, "light")
			}
			var faults []string
			tab.evaluate(change, nil)
			tab.evaluate(measure, &faults)
			for _, fault := range faults {
				tab.Errorf("%s, %s with %.20s: %s", shot.name(), shot.language, change, fault)
			}
		}
	})
}
