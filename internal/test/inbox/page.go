package inbox

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/pagestyle"
)

// more is what the list needs beside the style of the pages of package postern.
const more = `
body{place-items:start center}
main{max-width:44rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;justify-content:space-between;margin-bottom:.75rem}
header nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem}
a{color:var(--act)}
h2{margin:0;font-size:1.05rem}
article{border:1px solid var(--line);border-radius:.5rem;padding:1rem;margin:1rem 0 0}
article p{margin:.25rem 0}
.code{font:600 1.6rem/1.4 ui-monospace,monospace;letter-spacing:.15em}
a.open{display:inline-flex;align-items:center;min-height:2.75rem;padding:.5rem 1rem;margin:.5rem 0;border-radius:.5rem;background:var(--act);color:var(--on-act);font-weight:600;text-decoration:none}
summary{cursor:pointer;min-height:1.75rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.25rem 0;padding:.75rem;border-radius:.5rem;background:var(--ground);font:.9rem/1.5 ui-monospace,monospace}
iframe{width:100%;height:20rem;border:1px solid var(--line);border-radius:.5rem;background:#fff}`

// refreshScript loads the page again when there is a message that it does not show. It asks once a second, while the
// page is seen.
const refreshScript = `setInterval(async()=>{if(document.hidden)return;try{const r=await fetch(document.body.dataset.newer);if(r.ok&&(await r.json()).length)location.reload()}catch{}},1000)`

// serveList shows every message with what a person wants of it: the code, or a button for the link.
func (b *Inbox) serveList(w http.ResponseWriter, r *http.Request, to string) {
	messages, last := b.after(to, 0)
	here := strings.TrimRight(r.URL.Path, "/")
	var p strings.Builder
	fmt.Fprintf(&p, `<header><hgroup><p>Postern</p><h1>Inbox</h1></hgroup><nav><a href="%s">Reload</a>`, html.EscapeString(r.URL.RequestURI()))
	if b.Home != "" {
		fmt.Fprintf(&p, `<a href="%s">Back to the start</a>`, html.EscapeString(b.Home))
	}
	p.WriteString(`</nav></header><p class="hint">Mail that was caught instead of sent. New mail appears here by itself.</p>`)
	if len(messages) == 0 {
		p.WriteString(`<p>Nothing here yet. Ask for a link or a code.</p>`)
	}
	for _, m := range messages {
		m.write(&p, here)
	}
	style := pagestyle.CSS + more
	newer := here + ".json?" + url.Values{"after": {strconv.Itoa(last)}, "to": {to}}.Encode()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src "+pagestyle.Source(style)+"; script-src "+pagestyle.Source(refreshScript)+
		"; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"+
		"<title>Inbox (%d)</title><noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript><style>%s</style></head>"+
		"<body data-newer=\"%s\"><main>%s</main><script>%s</script></body></html>\n",
		len(messages), style, html.EscapeString(newer), p.String(), refreshScript)
}

// write draws a message. here is the path of the list.
func (m Message) write(p *strings.Builder, here string) {
	from := "To "
	if address, bare := strings.CutPrefix(m.From, "<"); bare { // an address without a name
		from = "From " + strings.TrimSuffix(address, ">") + " to "
	} else if m.From != "" {
		from = "From " + m.From + " to "
	}
	fmt.Fprintf(p, `<article><h2>%s</h2><p class="hint">%s%s, <time datetime="%s">%s</time></p>`,
		html.EscapeString(m.Subject), html.EscapeString(from), html.EscapeString(m.To), m.Time.Format(time.RFC3339), m.Time.Format("2 January 2006, 15:04:05"))
	if m.Code != "" {
		fmt.Fprintf(p, `<p class="code">%s</p>`, html.EscapeString(m.Code))
	}
	if link := webLink(m.Link); link != "" {
		fmt.Fprintf(p, `<p><a class="open" href="%s">Open the link</a></p>`, html.EscapeString(link))
	}
	fmt.Fprintf(p, `<details><summary>Text</summary><pre>%s</pre></details>`, html.EscapeString(m.Text))
	if m.HTML != "" {
		fmt.Fprintf(p, `<details><summary>HTML</summary><iframe title="HTML part" loading="lazy" src="%s/%d.html"></iframe></details>`, html.EscapeString(here), m.ID)
	}
	p.WriteString("</article>")
}
