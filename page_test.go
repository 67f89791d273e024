package postern_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/pagestyle"
	"github.com/posternauth/postern/session"
)

// payloads would run or break out where text becomes markup.
func payloads() []string {
	seeds := []string{
		`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><svg onload=alert(1)>`, `</title><script>alert(1)</script>`, `</style><script>alert(1)</script>`,
		`<img src=x onerror=alert(1)>`, `" onfocus=alert(1) autofocus x="`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `<a href=javascript:alert(1)>x</a>`,
		`<!--`, `-->`, `]]>`, `<![CDATA[<script>]]>`, `&lt;script&gt;`, `&#60;script&#62;`, `<svg/onload=alert(1)>`, `<iframe srcdoc="<script>alert(1)</script>">`,
		`<base href=//evil.example>`, `<meta http-equiv=refresh content=0;url=//evil.example>`, `<form action=//evil.example>`, `<link rel=stylesheet href=//evil.example>`,
		`{{constructor.constructor('alert(1)')()}}`, "${alert(1)}", "`-alert(1)-`", `\u003cscript\u003e`, `%3Cscript%3E`, `<scr<script>ipt>`, `<ScRiPt>alert(1)</sCrIpT>`,
		`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	}
	all := slices.Clone(seeds)
	for _, s := range seeds {
		all = append(all, "x\" "+s+" '")
	}
	return all
}

var markup = regexp.MustCompile(`<[^>]*>`)

// skeleton is a page with all its text taken out: what an attacker could only have changed by breaking out.
func skeleton(page string) string {
	tags := markup.FindAllString(page, -1)
	for i, tag := range tags {
		tags[i] = regexp.MustCompile(`(href|action|value)="[^"]*"`).ReplaceAllString(tag, "$1")
	}
	return strings.Join(tags, "\n")
}

func TestC8_InertErrors(t *testing.T) {
	v := newWorld(t)
	if n := len(payloads()); n < 60 {
		t.Fatalf("only %d payloads", n)
	}
	type place struct {
		path   string
		params []string
	}
	places := []place{
		{"/door/callback", []string{"state", "code", "error", "error_description", "error_uri", "iss"}},
		{"/door/authorize", []string{"redirect_uri", "response_type", "code_challenge", "code_challenge_method"}},
		{"/authorize", []string{"provider", "redirect_uri", "state", "client_id"}},
		{"/desk/authorize", []string{"complaint", "note", "state", "link"}},
	}
	for _, p := range places {
		for _, name := range p.params {
			harmless := v.browser().get(issuer + p.path + "?" + url.Values{name: {"harmless"}}.Encode())
			for _, payload := range payloads() {
				w := v.browser().get(issuer + p.path + "?" + url.Values{name: {payload}}.Encode())
				body := w.Body.String()
				if w.Header().Get("Location") != "" {
					if name != "state" && name != "client_id" {
						t.Errorf("%s %s=%s: redirected to %s", p.path, name, payload, w.Header().Get("Location"))
					}
					continue
				}
				if got, want := skeleton(body), skeleton(harmless.Body.String()); w.Code != harmless.Code || name != "link" && got != want {
					t.Errorf("%s %s=%s changes the markup:\n%s\nwant\n%s", p.path, name, payload, got, want)
				}
				if strings.ContainsAny(payload, `<"`) && strings.Contains(body, payload) {
					t.Errorf("%s %s=%s stands unescaped", p.path, name, payload)
				}
				if strings.Contains(body, `href="javascript:`) || strings.Contains(strings.ToLower(body), "<script") {
					t.Errorf("%s %s=%s: a script on the page", p.path, name, payload)
				}
				if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
					t.Errorf("%s %s=%s: no CSP", p.path, name, payload)
				}
			}
		}
	}
	b := v.browser()
	state := b.begin("door")
	refused(t, b.get(callback("door", state)+"&code=again"), 400, "invalid_request")
	refused(t, b.get(callback("door", state)+"&state="+state), 400, "invalid_request")
}

func TestPage(t *testing.T) {
	v := newWorld(t)
	w := v.browser().get(issuer + "/desk/authorize?redirect_uri=/welcome&note=%3C&complaint=%26c")
	body := w.Body.String()
	for _, want := range []string{
		"<!doctype html>", `<html lang="en">`, `<meta name="viewport" content="width=device-width, initial-scale=1">`, "<title>Error: Who are you? · api.example.com</title>", "<hgroup>\n<p>api.example.com</p>\n<h1>Who are you?</h1>\n</hgroup>",
		"<p>Asked at the desk.</p>\n<p>Say your name.</p>", `<p id="error" class="error" role="alert">&amp;c</p>`,
		`<form method="post" action="https://api.example.com/auth/desk/authorize?redirect_uri=/welcome&amp;note=%3C&amp;complaint=%26c">`,
		`<input type="hidden" name="note" value="&lt;">`, `<label for="field-0">Name</label>`,
		`<input id="field-0" type="text" name="name" autocomplete="name" maxlength="40" aria-invalid="true" aria-describedby="field-0-hint error" required autofocus>`,
		`<p class="hint" id="field-0-hint">As your friends call you</p>`, `<button type="submit">Continue</button>`, `<li><a href="/help">Help</a></li>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s on\n%s", want, body)
		}
	}
	if strings.Count(body, "<h1>") != 1 || strings.Contains(body, "style=") {
		t.Errorf("headings or styles are wrong:\n%s", body)
	}
	if got := w.Header().Get("Content-Length"); got != strconv.Itoa(len(body)) || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("Content-Length %s of %d, Content-Type %s", got, len(body), w.Header().Get("Content-Type"))
	}
	if head := v.browser().send("HEAD", issuer+"/desk/authorize", nil); head.Body.Len() != 0 || head.Code != 200 {
		t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
	}
}

func TestX3_PageHeaders(t *testing.T) {
	v := newWorld(t)
	w := v.browser().get(issuer + "/desk/authorize")
	css := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())[1]
	sum := sha256.Sum256([]byte(css))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'; form-action 'self'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("CSP of a page with a form:\n%s\nwant\n%s", got, want)
	}
	if got := w.Header().Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("Referrer-Policy of a page with a form: %q; under no-referrer its POST would say Origin: null", got)
	}
	w = v.browser().get(issuer + "/door/callback")
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'none'") || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("a page without a form: CSP %q, Referrer-Policy %q", got, w.Header().Get("Referrer-Policy"))
	}
	local := newWorld(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Issuer = "http://localhost:8420/auth" })
	if got := local.browser().get("http://localhost:8420/auth").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over http: %q", got)
	}
}

func TestRender(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Render = func(w http.ResponseWriter, _ *http.Request, p postern.Page) {
			w.WriteHeader(p.Status)
			fmt.Fprintf(w, "%d %s %s", p.Status, p.Code, html.EscapeString(p.Title))
		}
	})
	if w := v.browser().get(issuer + "/door/callback"); w.Code != 400 || w.Body.String() != "400 invalid_state This sign-in cannot go on" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := v.browser().get(issuer + "/desk/authorize"); w.Code != 200 || w.Body.String() != "200  Who are you?" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Text and controls of the default style stand out enough in both themes (WCAG 2.2, 1.4.3 and 1.4.11).
func TestPage_Contrast(t *testing.T) {
	themes := regexp.MustCompile(`:root\{[^}]*\}`).FindAllString(pagestyle.CSS, -1)
	if len(themes) != 2 {
		t.Fatalf("%d themes, want light and dark", len(themes))
	}
	for i, theme := range themes {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):#([0-9a-f]+)`).FindAllStringSubmatch(theme, -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range []struct {
			on, of string
			least  float64
		}{
			{"paper", "ink", 4.5}, {"paper", "soft", 4.5}, {"paper", "act", 4.5}, {"act", "on-act", 4.5}, {"bad-ground", "bad", 4.5}, {"paper", "edge", 3}, {"paper", "bad", 3}, {"ground", "act", 3},
		} {
			a, b := luminance(t, colour[pair.on]), luminance(t, colour[pair.of])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < pair.least {
				t.Errorf("theme %d: %s on %s: contrast %.2f, want %.1f", i, pair.of, pair.on, ratio, pair.least)
			}
		}
	}
}

// luminance is the relative luminance of a colour (WCAG 2.2).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// several is a provider whose page has a list and more than one form.
type several struct{}

func (several) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		field := func(name string) []postern.Field { return []postern.Field{{Name: name, Label: name}} }
		p := postern.Page{Name: "several.list", Title: "Sessions", Lines: []postern.Line{
			{Label: "Firefox on <Linux>", Value: "since \"today\"", Form: &postern.Form{Hidden: map[string]string{"id": "1"}, Submit: "End Firefox"}},
			{Label: "This browser", Value: "now", Link: &postern.Link{Name: "more", Text: "More", URL: "/more"}},
			{Label: "Bad", Value: "x", Link: &postern.Link{Text: "Bad", URL: "javascript:alert(1)"}},
		}}
		if r.Form.Has("forms") {
			p.Forms = []postern.Form{{Name: "a", Title: "One & two", Fields: field("a")}, {Name: "b", Fields: field("b")}}
			p.Error = "Something is wrong."
		}
		f.Page(w, r, p)
	}})
}

// A list is a list of terms with what can be done about each; several forms have headings and different ids.
func TestPage_LinesAndForms(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["several"] = several{} })
	w := v.browser().get(issuer + "/several/authorize?forms=1")
	body := w.Body.String()
	for _, want := range []string{
		"<dl>\n<div>\n<dt id=\"line-1\">Firefox on &lt;Linux&gt;</dt>\n<dd id=\"line-1-value\">since &#34;today&#34;</dd>\n<dd>\n<form method=\"post\">\n<input type=\"hidden\" name=\"id\" value=\"1\">\n<button type=\"submit\" id=\"line-1-form\" aria-labelledby=\"line-1-form line-1 line-1-value\">End Firefox</button>",
		"<dt id=\"line-2\">This browser</dt>\n<dd id=\"line-2-value\">now</dd>\n<dd><a href=\"/more\" id=\"line-2-link\" aria-labelledby=\"line-2-link line-2 line-2-value\">More</a></dd>", "<dt>Bad</dt>\n<dd>x</dd>\n</div>",
		"<h2 id=\"form-2\">One &amp; two</h2>\n<form method=\"post\" aria-labelledby=\"form-2\">\n<label for=\"field-0\">a</label>",
		"<p class=\"or\">or</p>\n<form method=\"post\">\n<label for=\"field-1\">b</label>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s on\n%s", want, body)
		}
	}
	if strings.Contains(body, `aria-invalid="`) || strings.Contains(body, "autofocus") || strings.Contains(body, "javascript:") {
		t.Errorf("of two forms none is known to be the wrong one:\n%s", body)
	}
	// A form in a line alone is a form of the page.
	w = v.browser().get(issuer + "/several/authorize")
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self'") || w.Header().Get("Referrer-Policy") != "same-origin" {
		t.Errorf("CSP %q", got)
	}
}
