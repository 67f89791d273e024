package inbox

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"
)

const style = `:root{color-scheme:light dark;--line:#8885;--soft:#8881;--accent:#2456c9}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:1.5rem 1rem;display:flex;justify-content:center}
main{width:100%;max-width:44rem}
header,nav{display:flex;gap:1rem;align-items:baseline;justify-content:space-between;flex-wrap:wrap}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}
.note{opacity:.75}
article{border:1px solid var(--line);border-radius:.75rem;padding:1rem;margin:1rem 0}
article p{margin:.25rem 0;overflow-wrap:anywhere}
.code{font:600 1.6rem/1.4 ui-monospace,monospace;letter-spacing:.15em;margin:.75rem 0}
a.main{display:inline-block;min-height:2.75rem;padding:.6rem 1rem;border-radius:.5rem;background:var(--accent);color:#fff;text-decoration:none;margin:.75rem 0}
summary{cursor:pointer;min-height:1.75rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border-radius:.5rem;padding:.75rem;font:.9rem/1.5 ui-monospace,monospace}
iframe{width:100%;height:20rem;border:1px solid var(--line);border-radius:.5rem;background:#fff}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`

// serveList shows every message with what a person wants of it: the code, or a button for the link.
func (b *Inbox) serveList(w http.ResponseWriter, r *http.Request, to string) {
	messages := b.Messages(to)
	var p strings.Builder
	fmt.Fprintf(&p, `<header><h1>Inbox</h1><nav><a href="%s">Reload</a>`, html.EscapeString(r.URL.RequestURI()))
	if b.Home != "" {
		fmt.Fprintf(&p, `<a href="%s">Back to the start</a>`, html.EscapeString(b.Home))
	}
	p.WriteString(`</nav></header><p class="note">Mail that was caught instead of sent.</p>`)
	if len(messages) == 0 {
		p.WriteString(`<p>Nothing here yet. Ask for a link or a code, then reload.</p>`)
	}
	for _, m := range messages {
		fmt.Fprintf(&p, `<article><h2>%s</h2><p class="note">To %s, <time datetime="%s">%s</time></p>`,
			html.EscapeString(m.Subject), html.EscapeString(m.To), m.Time.Format(time.RFC3339), m.Time.Format("2 January 2006, 15:04:05"))
		if m.Code != "" {
			fmt.Fprintf(&p, `<p class="code">%s</p>`, html.EscapeString(m.Code))
		}
		if link := webLink(m.Link); link != "" {
			fmt.Fprintf(&p, `<p><a class="main" href="%s">Open the link</a></p>`, html.EscapeString(link))
		}
		fmt.Fprintf(&p, `<details><summary>Text</summary><pre>%s</pre></details>`, html.EscapeString(m.Text))
		if m.HTML != "" {
			fmt.Fprintf(&p, `<details><summary>HTML</summary><iframe title="HTML part" loading="lazy" src="%s/%d.html"></iframe></details>`, html.EscapeString(strings.TrimRight(r.URL.Path, "/")), m.ID)
		}
		p.WriteString("</article>")
	}
	sum := sha256.Sum256([]byte(style))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"+
		"<title>Inbox (%d)</title><style>%s</style></head><body><main>%s</main></body></html>\n", len(messages), style, p.String())
}
