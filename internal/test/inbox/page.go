package inbox

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/test/devpage"
)

// script loads the page again when there is a message that it does not show: it asks once a second, while the page is
// seen. It also shows and serves the buttons that copy a code.
const script = `setInterval(async()=>{if(document.hidden)return;try{const r=await fetch(document.body.dataset.page);if(r.ok&&(await r.json()).length)location.reload()}catch{}},1000)
for(const b of document.querySelectorAll("button[data-code]")){b.hidden=false;b.addEventListener("click",async()=>{try{await navigator.clipboard.writeText(b.dataset.code);b.textContent="Copied"}catch{getSelection().selectAllChildren(b.parentNode.querySelector(".code"))}})}`

// without is for browsers without scripts. The page does not load itself again there: that would take away what a
// person is reading (WCAG 2.2 SC 2.2.1, F41).
const without = `<noscript><p><a href="">Look for new mail</a></p></noscript>` + "\n"

// serveList shows every message, newest first, with what a person wants of it: the code, and a button for the link.
func (b *Inbox) serveList(w http.ResponseWriter, r *http.Request, to string) {
	messages, last := b.after(to, 0)
	here := strings.TrimRight(r.URL.Path, "/")
	var p strings.Builder
	if to != "" {
		fmt.Fprintf(&p, `<p class="filter">Mail to <b>%s</b> alone. <a href="%s">Show all mail</a></p>`+"\n", html.EscapeString(to), html.EscapeString(here))
	}
	p.WriteString(without)
	if len(messages) == 0 {
		p.WriteString(`<section class="card"><h2>Nothing here yet</h2><p>Ask for a link or a code on a page, and it arrives here.</p></section>` + "\n")
	}
	p.WriteString("<div class=\"mails\">\n")
	for i, m := range messages {
		m.write(&p, here, i == 0)
	}
	p.WriteString("</div>\n")
	b.writeWays(&p, r, here)
	b.Site.Write(w, devpage.Page{
		Title: "Inbox", Path: here, Lead: "Mail that was caught instead of sent. New mail appears here by itself.",
		Body: p.String(), Script: script, Frames: true,
		Data: here + ".json?" + url.Values{"after": {strconv.Itoa(last)}, "to": {to}}.Encode(),
	})
}

// writeWays says how mail gets here, and how a script reads it.
func (b *Inbox) writeWays(p *strings.Builder, r *http.Request, here string) {
	p.WriteString("<section class=\"card\"><h2>How mail gets here</h2>\n<p>")
	p.WriteString(html.EscapeString(b.Hint))
	if b.Hint != "" {
		p.WriteString(" ")
	}
	fmt.Fprintf(p, "The last %d messages are kept, until the program ends.</p>\n<h2>For scripts</h2>\n<pre tabindex=\"0\"><code>curl -s 'http://%s.json?to=ada@example.com' | jq -r '.[0].code'</code></pre>\n</section>\n",
		Max, html.EscapeString(r.Host+here))
}

// write draws a message. here is the path of the list. The newest is open, and of the others a line is shown.
func (m Message) write(p *strings.Builder, here string, newest bool) {
	from := "To "
	if address, bare := strings.CutPrefix(m.From, "<"); bare { // an address without a name
		from = "From " + strings.TrimSuffix(address, ">") + " to "
	} else if m.From != "" {
		from = "From " + m.From + " to "
	}
	subject := m.Subject
	if subject == "" {
		subject = "(no subject)"
	}
	meta := fmt.Sprintf(`%s%s, <time datetime="%s">%s</time>`, html.EscapeString(from), html.EscapeString(m.To),
		m.Time.Format(time.RFC3339), m.Time.Format("2 January 2006, 15:04:05"))
	if newest {
		fmt.Fprintf(p, `<article class="card mail"><header><h2>%s</h2><p class="meta">%s</p></header>`, html.EscapeString(subject), meta)
	} else {
		fmt.Fprintf(p, `<details class="card older"><summary><span><b>%s</b><span class="meta">%s</span></span></summary><article class="mail" aria-label="%[1]s">`, html.EscapeString(subject), meta)
	}
	m.writeTaken(p)
	text := fmt.Sprintf(`<pre tabindex="0">%s</pre>`, html.EscapeString(m.Text))
	if m.HTML == "" {
		p.WriteString(text)
	} else {
		// A frame that is loaded when it is seen: those of older messages are not.
		fmt.Fprintf(p, `<iframe title="The mail as HTML: %s" loading="lazy" src="%s/%d.html"></iframe><details><summary>As text</summary>%s</details>`,
			html.EscapeString(subject), html.EscapeString(here), m.ID, text)
	}
	p.WriteString("</article>")
	if !newest {
		p.WriteString("</details>")
	}
	p.WriteString("\n")
}

// writeTaken draws what a person takes from a message.
func (m Message) writeTaken(p *strings.Builder) {
	link := webLink(m.Link)
	if link == "" && m.Code == "" {
		return
	}
	p.WriteString(`<div class="take">`)
	if m.Code != "" {
		fmt.Fprintf(p, `<span class="code">%s</span><button type="button" class="quiet" data-code="%[1]s" hidden>Copy the code</button>`, html.EscapeString(m.Code))
	}
	if link != "" {
		fmt.Fprintf(p, `<a class="button" href="%s">Open the link</a>`, html.EscapeString(link))
	}
	p.WriteString("</div>")
}
