package ui

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// A Theme is the design of the pages. The zero value has a neutral one.
type Theme struct {
	// Logo is the picture above each page, as an SVG or a PNG of at most 64 KiB; LogoDark is that for a dark page. An
	// SVG has no script and no reference to another file. A picture that is more than twice as wide as
	// it is high stands for the name of the application too, which is not repeated beside it then.
	//
	// Defaults to the first letter of the application's name. LogoDark defaults to Logo.
	Logo, LogoDark []byte

	// Favicon is the picture of the browser's tab: an SVG, a PNG or an ICO of at most 64 KiB.
	//
	// Defaults to none.
	Favicon []byte

	// Light and Dark are the colours of the two themes. The browser chooses one.
	Light, Dark Colors

	// Scheme is "light" or "dark" for pages that have one theme alone.
	//
	// Defaults to both.
	Scheme string

	// Radius is how round the corners of fields and buttons are, in CSS pixels, at most 24; the card is rounder. -1
	// stands for corners that are not round.
	//
	// Defaults to 8.
	Radius int

	// Font is the list of the fonts as in CSS, of fonts that the device has: `"Inter", "Segoe UI", sans-serif`. No font
	// is loaded.
	//
	// Defaults to the font of the system.
	Font string

	// Terms, Privacy and Support are addresses of pages of yours, which each page links to at its end: https, http, or
	// a path; Support can be mailto too.
	//
	// Defaults to none.
	Terms, Privacy, Support string
}

// Colors of a theme, as "#rgb" or "#rrggbb". New computes the contrasts of WCAG 2.2: 4.5 for text, 3 for the edges of
// fields and for what shows the focus.
type Colors struct {
	// Accent is the colour of the main button, of links and of the focus.
	//
	// Defaults to a blue. In Dark it defaults to that of Light, made lighter until it can be read.
	Accent string

	Background string // behind everything; defaults to a light or dark grey
	Surface    string // of the card; defaults to white, or to a dark grey
	Text       string // defaults to nearly black, or nearly white
}

// A theme is a Theme that was checked.
type theme struct {
	Theme
	light, dark          palette
	logo, logoDark, icon image
	font                 string
	radius               int
}

// A palette is all colours of one theme. Those that nobody sets are made of the others.
type palette struct {
	accent, onAccent, ground, paper, ink, soft, line, edge, bad, badGround, good, goodGround, link, hover color
}

const systemFont = `system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",sans-serif`

func (t Theme) check() (theme, error) {
	c := theme{Theme: t, font: systemFont, radius: 8}
	var errs []error
	if t.Font != "" {
		c.font = t.Font
		if !fontList.MatchString(t.Font) || len(t.Font) > 500 {
			errs = append(errs, errors.New(`ui: Theme.Font is not a list of fonts: write names with commas between them, those with spaces in quotes: "Segoe UI", sans-serif`))
		}
	}
	switch {
	case t.Radius == -1:
		c.radius = 0
	case t.Radius < -1 || t.Radius > 24:
		errs = append(errs, fmt.Errorf("ui: Theme.Radius is %d: write 1 to 24, or -1 for none", t.Radius))
	case t.Radius > 0:
		c.radius = t.Radius
	}
	if t.Scheme != "" && t.Scheme != "light" && t.Scheme != "dark" {
		errs = append(errs, fmt.Errorf("ui: Theme.Scheme is %q: write light, dark, or nothing", t.Scheme))
	}
	for _, link := range [][2]string{{"Terms", t.Terms}, {"Privacy", t.Privacy}, {"Support", t.Support}} {
		if err := checkLink(link[1], link[0] == "Support"); err != nil {
			errs = append(errs, fmt.Errorf("ui: Theme.%s: %w", link[0], err))
		}
	}
	for _, picture := range []struct {
		name string
		data []byte
		icon bool
	}{{"Logo", t.Logo, false}, {"LogoDark", t.LogoDark, false}, {"Favicon", t.Favicon, true}} {
		if len(picture.data) > 0 {
			if _, err := readPicture(picture.data, picture.icon); err != nil {
				errs = append(errs, fmt.Errorf("ui: Theme.%s: %w", picture.name, err))
			}
		}
	}
	if len(t.LogoDark) > 0 && len(t.Logo) == 0 {
		errs = append(errs, errors.New("ui: Theme.LogoDark needs Theme.Logo"))
	}
	var err error
	c.light, err = t.Light.palette("Light", Colors{"#1f4fd1", "#f4f5f7", "#ffffff", "#16181d"}, color{0xb3, 0x1b, 0x1b}, color{0x0f, 0x6b, 0x3d}, black)
	errs = append(errs, err)
	dark := t.Dark
	base := Colors{"#8db0ff", "#0f1115", "#181b21", "#eceef2"}
	if t.Light.Accent != "" {
		base.Accent = lighter(t.Light.Accent, base, dark)
	}
	c.dark, err = dark.palette("Dark", base, color{0xff, 0xb4, 0xab}, color{0x7d, 0xdb, 0xa3}, white)
	errs = append(errs, err)
	return c, errors.Join(errs...)
}

// lighter returns the accent of the light theme for the dark one.
func lighter(accent string, base, own Colors) string {
	c, err := parseColor(accent)
	if err != nil {
		return base.Accent // refused already
	}
	var behind []color
	for _, name := range []string{or(own.Surface, base.Surface), or(own.Background, base.Background)} {
		if b, err := parseColor(name); err == nil {
			behind = append(behind, b)
		}
	}
	return towards(c, white, 5.5, behind...).String()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// palette fills in what is not set, and refuses what cannot be read.
func (c Colors) palette(theme string, base Colors, bad, good, far color) (p palette, err error) {
	var errs []error
	read := func(name, own, otherwise string) color {
		value, err := parseColor(or(own, otherwise))
		if err != nil {
			errs = append(errs, fmt.Errorf("ui: Theme.%s.%s: %w", theme, name, err))
		}
		return value
	}
	p.accent = read("Accent", c.Accent, base.Accent)
	p.ground = read("Background", c.Background, base.Background)
	p.paper = read("Surface", c.Surface, base.Surface)
	p.ink = read("Text", c.Text, base.Text)
	if err := errors.Join(errs...); err != nil {
		return p, err
	}
	p.onAccent = readable(p.accent)
	p.soft = towards(mix(p.ink, p.paper, 0.38), p.ink, 4.6, p.paper, p.ground)
	p.line = mix(p.paper, p.ink, 0.14)
	p.edge = towards(mix(p.paper, p.ink, 0.42), p.ink, 3.05, p.paper, p.ground)
	p.badGround, p.goodGround = mix(p.paper, bad, 0.09), mix(p.paper, good, 0.1)
	p.bad = towards(bad, far, 4.6, p.paper, p.badGround)
	p.good = towards(good, far, 4.6, p.paper, p.goodGround)
	p.link, p.hover = p.accent, mix(p.accent, p.onAccent, 0.12)
	need := func(a string, x color, b string, y color, ratio float64, what string) {
		// Two decimals are cut off, so that no message has a ratio that seems to be enough.
		if got := contrast(x, y); got < ratio {
			errs = append(errs, fmt.Errorf("ui: Theme.%s: %s %s on %s %s has a contrast of %.2f, and %s needs %.1f", theme, a, x, b, y, float64(int(got*100))/100, what, ratio))
		}
	}
	need("Text", p.ink, "Surface", p.paper, 4.5, "text")
	need("Text", p.ink, "Background", p.ground, 4.5, "text")
	need("soft text", p.soft, "Surface", p.paper, 4.5, "text")
	need("soft text", p.soft, "Background", p.ground, 4.5, "text")
	need("Accent", p.accent, "Surface", p.paper, 4.5, "a link")
	need("Accent", p.accent, "Background", p.ground, 4.5, "a link")
	need("the text of a button", p.onAccent, "Accent", p.accent, 4.5, "text")
	need("the edge of a field", p.edge, "Surface", p.paper, 3, "an edge")
	need("the colour of errors", p.bad, "Surface", p.paper, 4.5, "text")
	need("the colour of errors", p.bad, "its background", p.badGround, 4.5, "text")
	need("the colour of notices", p.good, "its background", p.goodGround, 4.5, "text")
	return p, errors.Join(errs...)
}

// variables are the colours as custom properties of CSS.
func (p palette) variables() string {
	var b strings.Builder
	for _, v := range []struct {
		name  string
		value color
	}{
		{"accent", p.accent}, {"on-accent", p.onAccent}, {"hover", p.hover}, {"ground", p.ground}, {"paper", p.paper}, {"ink", p.ink}, {"soft", p.soft},
		{"line", p.line}, {"edge", p.edge}, {"bad", p.bad}, {"bad-ground", p.badGround}, {"good", p.good}, {"good-ground", p.goodGround},
		{"wash", mix(p.paper, p.ink, 0.04)},
	} {
		b.WriteString("--" + v.name + ":" + v.value.String() + ";")
	}
	return b.String()
}

// css is the part of the style sheet that depends on the theme.
func (t theme) css() string {
	shape := fmt.Sprintf("--radius:%dpx;--card:%dpx;--font:%s;", t.radius, t.radius*2, t.font)
	switch t.Scheme {
	case "light":
		return ":root{color-scheme:light;" + shape + t.light.variables() + "}\n"
	case "dark":
		return ":root{color-scheme:dark;" + shape + t.dark.variables() + "}\n"
	}
	return ":root{color-scheme:light dark;" + shape + t.light.variables() + "}\n@media (prefers-color-scheme:dark){:root{" + t.dark.variables() + "}}\n"
}

// fontList is a list of names of fonts: words, or anything simple in quotes.
var fontList = regexp.MustCompile(`^(?:[A-Za-z-][A-Za-z0-9-]*|"[A-Za-z0-9 _.-]+"|'[A-Za-z0-9 _.-]+')(?: ?, ?(?:[A-Za-z-][A-Za-z0-9-]*|"[A-Za-z0-9 _.-]+"|'[A-Za-z0-9 _.-]+'))*$`)

// checkLink refuses an address that a page must not link to.
func checkLink(link string, mail bool) error {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '"' || r == '<' }) {
		return fmt.Errorf("%q is not an address: percent-encode what is not ASCII", link)
	}
	switch {
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && u.Host != "":
	case u.Scheme == "mailto" && mail && u.Opaque != "":
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//"):
	default:
		return fmt.Errorf("%q: write an https address or a path", link)
	}
	return nil
}
