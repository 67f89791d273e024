package magic

import (
	"html"
	"strings"
)

// mailPage builds the HTML part of a mail. Programs for mail know little CSS: everything that matters is in style
// attributes, and the style element adds the dark colours where it is read. All text is escaped.
type mailPage struct{ strings.Builder }

const (
	mailHead = `<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>
@media (prefers-color-scheme:dark){
body{background:#14161a!important}
.card{background:#1c1f25!important;color:#eceef2!important;border-color:#3a3f49!important}
.button{background:#8db0ff!important;color:#0d1530!important}
.code{border-color:#868d9a!important}
.small{color:#aeb4bf!important}
.small a{color:#8db0ff!important}
}
</style>
`
	mailBody = `<body style="margin:0;padding:16px 8px;background:#f3f4f6">
<div class="card" style="max-width:416px;margin:0 auto;padding:24px 16px;box-sizing:border-box;background:#fff;color:#1b1d21;` +
		`border:1px solid #c9cdd5;border-radius:12px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;word-break:break-word;overflow-wrap:anywhere">
`
)

func (p *mailPage) paragraph(text string) {
	p.WriteString(`<p style="margin:0 0 16px">` + html.EscapeString(text) + "</p>\n")
}

func (p *mailPage) button(text, link string) {
	p.WriteString(`<p style="margin:0 0 16px"><a class="button" href="` + html.EscapeString(link) + `" style="display:block;padding:10px 16px;` +
		`background:#1f4fd1;color:#fff;border-radius:8px;text-align:center;text-decoration:none;font-weight:600">` + html.EscapeString(text) + "</a></p>\n")
}

func (p *mailPage) code(code string) {
	p.WriteString(`<p class="code" style="margin:0 0 16px;padding:8px;border:1px solid #767c88;border-radius:8px;text-align:center;` +
		`font:bold 28px/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.1em">` + html.EscapeString(code) + "</p>\n")
}

// address shows the link as text, so that people see where the button leads.
func (p *mailPage) address(text, link string) {
	link = html.EscapeString(link)
	p.WriteString(`<p class="small" style="margin:0;color:#565b65;font-size:14px">` + html.EscapeString(text) + `<br><a href="` + link +
		`" style="color:#1f4fd1;word-break:break-all">` + link + "</a></p>\n")
}

func (p *mailPage) finish(title string) string {
	title = html.EscapeString(title)
	return "<!doctype html>\n<html lang=\"en\">\n<head>\n" + mailHead + "<title>" + title + "</title>\n</head>\n" + mailBody +
		`<h1 style="margin:0 0 16px;font-size:22px;line-height:1.25">` + title + "</h1>\n" + p.String() + "</div>\n</body>\n</html>\n"
}
