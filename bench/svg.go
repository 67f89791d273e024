package main

import (
	"bytes"
	"fmt"
	"html"
)

// chart draws what each contender takes, as bars from the top down, one group an algorithm. Where there is a bare
// contender the bars are multiples of it, else they are times.
func chart(results []result) []byte {
	const (
		width, label, bar, line = 820, 250, 400, 20
		title                   = 34
	)
	var b bytes.Buffer
	y := 10
	for _, group := range byAlgorithm(results) {
		worst := 0.0
		for _, r := range group {
			worst = max(worst, value(r))
		}
		y += title
		fmt.Fprintf(&b, `<text x="10" y="%d" class="t">%s %s</text>`+"\n", y-12, html.EscapeString(r0(group).Bench), html.EscapeString(r0(group).Alg))
		for _, r := range group {
			v := value(r)
			class := "o"
			if len(r.Impl) >= 7 && r.Impl[:7] == "postern" {
				class = "p"
			} else if r.Impl == bare {
				class = "b"
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" class="l">%s</text><rect x="%d" y="%d" width="%.1f" height="14" class="%s"/><text x="%.1f" y="%d">%s</text>`+"\n",
				label-8, y+12, html.EscapeString(r.Impl), label, y+1, max(1, v/worst*bar), class, float64(label)+max(1, v/worst*bar)+6, y+12, caption(r))
			y += line
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="CPU time of each library, as a multiple of the bare signature">`+"\n", width, y+20, width, y+20)
	out.WriteString(`<style>svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:14px}.l{text-anchor:end}.p{fill:#1a7f5a}.b{fill:#999}.o{fill:#b8c4d6}</style>` + "\n")
	out.Write(b.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func r0(group []result) result { return group[0] }

func value(r result) float64 {
	if r.VsBare != nil {
		return *r.VsBare
	}
	return r.MedianNS
}

func caption(r result) string {
	if r.VsBare != nil {
		return fmt.Sprintf("%.2f × (%s)", *r.VsBare, duration(r.MedianNS))
	}
	return duration(r.MedianNS)
}
