package ui

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/posternauth/postern"
)

// A view is a page as the templates read it: translated, with addresses that are checked and ids.
type view struct {
	Lang, Dir, Scheme, WindowTitle, Sheet, Script, Name, Data, Texts string
	Passwords                                                        string // script for the fields of passwords; empty: there are none
	Next                                                             any    // a checked address
	App, Letter, Reveal                                              string
	Icon, Logo, LogoDark                                             *shown
	Wide, FocusError                                                 bool
	UI                                                               labels
	Title, Error, Notice, Code, Reference                            []piece
	Text                                                             [][]piece
	Figure                                                           *figure
	Lines                                                            linesView
	Menu, Ways, Links                                                []linkView
	Forms                                                            []formView
	Sections                                                         []sectionView
	Legal                                                            []plainLink
	Language                                                         *languageForm
}

// labels are the texts of this package.
type labels struct{ Or, Skip, Menu, Legal, Language, ChangeLanguage string }

// shown is an image with its address.
type shown struct {
	image
	URL string
}

type plainLink struct{ URL, Text string }

type figure struct {
	Text string
	Size int
	Path string
}

type languageForm struct {
	Action, To string
	Options    []languageOption
}

type languageOption struct {
	Tag, Name string
	Current   bool
}

// A piece of a text. An isolated one is a value, which keeps its direction.
type piece struct {
	Text     string
	Isolated bool
	Dir      string // "ltr", or empty for that of the value
}

// pieces cuts a text at the isolates around values.
func pieces(s string) (list []piece) {
	for s != "" {
		at := strings.IndexAny(s, isolateAuto+isolateLTR)
		end := -1
		if at >= 0 {
			end = strings.Index(s[at:], isolateEnd)
		}
		if end < 0 {
			return append(list, piece{Text: plain(s)})
		}
		if at > 0 {
			list = append(list, piece{Text: s[:at]})
		}
		value := piece{Text: s[at+len(isolateAuto) : at+end], Isolated: true}
		if strings.HasPrefix(s[at:], isolateLTR) {
			value.Dir = "ltr"
		}
		list = append(list, value)
		s = s[at+end+len(isolateEnd):]
	}
	return list
}

func paragraphs(s string) (list [][]piece) {
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		if paragraph != "" {
			list = append(list, pieces(paragraph))
		}
	}
	return list
}

// A viewer makes a view. It counts what needs an id of the page.
type viewer struct {
	*speaker
	marks         map[string]template.HTML
	next          string
	fields, forms int
	sections      int
	passwords     int
	acts, rows    int
}

// attr is a text for an attribute, which has no elements. A page from right to left keeps the isolates.
func (v *viewer) attr(s string) string {
	if v.dir == "rtl" {
		return s
	}
	return plain(s)
}

// view makes the view of a page.
func (p *Pages) view(r *http.Request, page postern.Page) view {
	s := p.speaker(r)
	english := page
	page = page.Translate(s.sayOf(page.Name))
	v := viewer{speaker: s, marks: p.marks, next: page.Next}
	app := page.App
	out := view{
		Lang: s.tag, Dir: s.dir, Scheme: or(p.theme.Scheme, "light dark"), Name: page.Name, Data: string(page.Data), Texts: page.ScriptData(),
		Sheet: page.Assets + p.sheet, App: app, Letter: letter(app), Wide: len(page.Menu) > 0, Reveal: s.text("ui.show-secret"),
		UI: labels{s.text("ui.or"), s.text("ui.skip"), s.text("ui.menu"), s.text("ui.legal"), s.text("ui.language"), s.text("ui.change-language")},
	}
	out.Icon, out.Logo, out.LogoDark = p.theme.icon.at(page.Assets), p.theme.logo.at(page.Assets), p.theme.logoDark.at(page.Assets)
	if p.theme.Scheme != "" { // the picture follows the browser, so that of the one theme stands alone
		if p.theme.Scheme == "dark" && out.LogoDark != nil {
			out.Logo = out.LogoDark
		}
		out.LogoDark = nil
	}
	if strings.HasPrefix(page.Script, "/") {
		out.Script = page.Script
	}
	if page.Next != "" && safeNext(page.Next) {
		out.Next = trusted(page.Next)
	}
	out.Title, out.Text = pieces(page.Title), paragraphs(page.Text)
	out.Notice, out.Error = pieces(page.Notice), pieces(page.Error)
	title := plain(page.Title)
	if app != "" && !strings.Contains(title, app) {
		title = plain(s.say("ui.title", map[string]any{"title": title, "app": app}))
	}
	if page.Error != "" {
		title = plain(s.say("ui.error-title", map[string]any{"title": title})) // screen readers say the title first
	}
	out.WindowTitle = title
	if page.Code != "" && page.Error != "" {
		out.Code = pieces(s.say("ui.code", map[string]any{"code": page.Code}))
	}
	if page.Request != "" {
		out.Reference = pieces(s.say("ui.reference", map[string]any{"reference": page.Request}))
	}
	if f := page.Figure; f != nil {
		out.Figure = &figure{v.attr(f.Text), f.Size, f.Path}
	}
	out.Lines = v.lines(page.Lines, page.Figure != nil)
	out.Ways, out.Links, out.Menu = v.links(page.Ways), v.links(page.Links), v.links(page.Menu)
	seen := 0
	for _, f := range page.Forms {
		if !f.Unseen {
			seen++
		}
	}
	failed := page.Error != "" && seen == 1
	for i, f := range page.Forms {
		// With anything above the form a screen reader would skip it if a field had the focus.
		focus := i+len(page.Ways)+len(page.Lines)+len(page.Menu) == 0 && page.Figure == nil
		form := v.form(f, failed, focus)
		form.Or = f.Title == "" && i+len(page.Ways) > 0 && (i == 0 || !page.Forms[i-1].Download) && !f.Unseen
		out.Forms = append(out.Forms, form)
	}
	for _, section := range page.Sections {
		out.Sections = append(out.Sections, v.section(section))
	}
	if v.passwords > 0 {
		out.Passwords = page.Assets + p.script
	}
	out.FocusError = page.Error != "" && !hasFocus(out.Forms)
	out.Legal = p.legal(s)
	out.Language = p.languageForm(english, s)
	return out
}

// legal are the links at the end of each page.
func (p *Pages) legal(s *speaker) (list []plainLink) {
	for _, l := range []plainLink{{p.theme.Terms, "ui.terms"}, {p.theme.Privacy, "ui.privacy"}, {p.theme.Support, "ui.support"}} {
		if l.URL != "" {
			list = append(list, plainLink{l.URL, s.text(l.Text)})
		}
	}
	return list
}

func hasFocus(forms []formView) bool {
	for _, f := range forms {
		for _, field := range f.Fields {
			if field.Focus {
				return true
			}
		}
	}
	return false
}

func (p *Pages) languageForm(page postern.Page, current *speaker) *languageForm {
	if page.LanguageURL == "" || len(p.speakers) < 2 {
		return nil
	}
	f := &languageForm{Action: page.LanguageURL, To: page.LanguageTo}
	for _, s := range p.speakers {
		f.Options = append(f.Options, languageOption{s.tag, s.name, s == current})
	}
	return f
}

func (i image) at(assets string) *shown {
	if i.Name == "" {
		return nil
	}
	return &shown{i, assets + i.Name}
}

// letter is the first letter of a name.
func letter(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

// A linkView is a link that is safe. Mark is the picture of the service, from the files of this package.
type linkView struct {
	Text, Note []piece
	URL        any
	Mark       template.HTML
	Current    bool
}

func (v *viewer) links(all []postern.Link) (list []linkView) {
	for _, l := range all {
		if to := v.address(l.URL); to != nil {
			list = append(list, linkView{pieces(l.Text), pieces(l.Note), to, v.marks[l.Mark], l.Current})
		}
	}
	return list
}

// address returns the value for an attribute href: nil for what a page must not lead to. Page.Next may have the scheme
// of a native app, which html/template does not know.
func (v *viewer) address(link string) any {
	if link == v.next && safeNext(link) {
		return trusted(link)
	}
	u, err := url.Parse(link)
	if err != nil || link == "" || u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	return link
}

// safeNext reports whether a page may lead on to an address by itself: a URL of visible ASCII whose scheme runs
// nothing.
func safeNext(link string) bool {
	u, err := url.Parse(link)
	if err != nil || !utf8.ValidString(link) || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	switch u.Scheme {
	case "javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "jar", "intent", "ws", "wss", "ftp", "mailto", "tel", "sms":
		return false
	case "":
		return strings.HasPrefix(link, "/")
	}
	return true
}
