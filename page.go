package postern

import (
	"encoding/json"
	"time"

	"github.com/posternauth/postern/internal/words"
)

// A Page is what a person sees, and what a JSON client reads, between authorize and callback. Its texts are plain text:
// the drawing escapes them.
//
// Texts are in English. They are templates: "{to}" stands for the value "to" of Args, and "{left, plural, one {# code}
// other {# codes}}" chooses by a number. Put everything that is not a fixed text into Args, so that [Page.Translate]
// finds the text in other languages. Config.Render and JSON clients get the texts with their values.
type Page struct {
	Status int // HTTP status; 0: 200

	// Name says which page it is, for programs and translations: "{package}.{page}", such as "magic.sent" or
	// "postern.choose". A name stays as it is from version to version.
	Name string

	// Args are the values in the texts, by name, for programs and translations: a time.Duration, a time.Time, an int, a
	// string or a [Phrase] each.
	Args map[string]any

	App    string  // name of the application; empty: Config.Name. Part of the heading, unless Title has it
	Title  string  // title of the window, and heading
	Text   string  // an empty line begins a new paragraph, which is a separate template
	Notice string  // what has just been done, such as "Your name was changed."
	Error  string  // what went wrong, shown as an alert
	Code   string  // stable code of Error, for translations and for support; the default drawing shows it in small print
	Lines  []Line  // a list, such as that of sessions or addresses
	Figure *Figure // a picture, such as a QR code; nil: none
	Ways   []Link  // above the forms: other ways to do what the forms are for
	Forms  []Form  // of several, a person uses one
	Links  []Link  // below the forms

	Menu     []Link    // to the other pages of an account or an administration; such a page is drawn wide
	Sections []Section // parts with a heading, below everything else

	// Next is the URL that the page leads on to by itself, at once: draw it as <meta http-equiv="refresh">. Its
	// scheme is http, https, or a native app's. Only the page between a form and another site has it; Links of that
	// page hold it too.
	Next string

	// Script is the path of a script of this site, which the page loads, such as that of a passkey. The
	// Content-Security-Policy allows this script and, with a field for a password, those of Config.Assets. Empty: none.
	Script string

	// ScriptTexts are the texts that Script shows, by a name that it knows, such as why no passkey was made; nil: none.
	ScriptTexts map[string]string

	// Data is for Script and for programs, such as which passkeys of the person still work; nil: none.
	Data json.RawMessage

	// Request is a reference for support: the log has it beside the cause. Only faults of the server have one.
	Request string

	// Assets is the URL below which Config.Assets is served, such as "/auth/assets/"; empty if it is not set.
	Assets string

	// LanguageURL is where a form of the page sends the language that a person chose: POST with "language", a tag such
	// as "de", and "to", which is LanguageTo. Empty where the page cannot be opened again, and without Config.Assets.
	// See [Languages].
	LanguageURL string

	// LanguageTo is the path and query at which the person comes back then: of this page or, if it is the answer to a
	// form, of the page with that form.
	LanguageTo string

	source *Page // the page before its texts got their values
}

// A Phrase is a value in a text that is a text itself, such as the label of a factor: translations have it too. Other
// strings among the values are shown as they are.
type Phrase = words.Phrase

// A List is a value of several: each is a string or a [Phrase]. It is written with commas in between.
type List = words.List

// A Section of a Page is a part with a heading, such as the passkeys on an account page.
type Section struct {
	Name  string         // for programs and translations, unique on the page
	Title string         // heading
	Text  string         // as Page.Text
	Args  map[string]any // values in the texts of the section, beside those of the page
	Lines []Line
	Table *Table // nil: none
	Forms []Form
	Links []Link
}

// A Table of a Section. Its first column names the row.
type Table struct {
	Columns []string // headings
	Rows    [][]Cell // as many cells as columns, or fewer
	Empty   string   // shown in place of a table without rows
}

// A Cell of a Table. At most one of URL and Form is set.
type Cell struct {
	Value any    // as Line.Value
	URL   string // the cell is a link; as Link.URL
	Form  *Form  // its button says what it does, such as "End"; screen readers add the name of the row
}

// A Figure is a picture of one colour. It is drawn as dark on light, also on a dark page, for a camera.
type Figure struct {
	Text string // for people who do not see it
	Size int    // width and height, in units of Path
	Path string // the dark parts, as the attribute d of an SVG path
}

// A Line of a Page: a label and a value, such as "Address" and "ann@example.com", with what can be done about it.
type Line struct {
	Label string

	// Value is a string, which is shown as it is; a Phrase; an int, a time.Time, a time.Duration; or a [Date]. A Render
	// gets it as a string.
	Value any

	Args map[string]any // values in the texts of the line, beside those of the page
	Note string         // more about the value, in small print
	Form *Form          // nil: none. Its button says what it does, such as "Remove"; screen readers add the line to its name
	Link *Link          // nil: none; the same
}

// A Date is a time of which the day is shown alone.
type Date time.Time

// A Form of a Page. Its method is POST, except for a search.
type Form struct {
	Name   string         // for programs and translations, unique on the page; empty if the page has one form
	Args   map[string]any // values in the texts of the form, beside those of the page
	Title  string         // heading of one of several forms; empty: none
	Text   string         // above the fields; as Page.Text
	Note   string         // beside the title or the button, in small print, such as "Last used"
	Action string         // URL; empty: that of the page
	Get    bool           // a search: the form is sent by GET, and changes nothing
	Danger bool           // what the form does cannot be undone, or takes something away

	// Download: the answer is a file, and the page stays. The person may go on with another form of the page.
	Download bool

	Hidden map[string]string // hidden fields
	Unseen bool              // only Page.Script sends it: people see nothing of it

	// Username is by what the person of a form with a password is known: an address or a username. The page has it in
	// a field that nobody sees and that is not sent, so that password managers keep the right name.
	//
	// Defaults to none.
	Username string

	Fields []Field         // in order
	Submit string          // text of the button; empty: "Continue"
	Data   json.RawMessage // for Page.Script and for programs, such as the options of a passkey; nil: none
}

// A Field of a Form: a labelled input. One of the type "checkbox" sends Value if it is ticked. The type "select" offers
// Options, of which Value is chosen; "textarea" has several lines; the other types are those of HTML.
type Field struct {
	Name, Label, Type, Value, Autocomplete, InputMode, Pattern, Hint string
	MaxLength                                                        int // in characters; 0: none
	Required                                                         bool
	Checked                                                          bool // a checkbox is ticked from the beginning

	// Invalid: Page.Error is about this field. On a page with one form, none of whose fields says so, it is about the
	// first field.
	Invalid bool

	Options []Option
	Args    map[string]any // values in the texts of the field, beside those of the form
}

// An Option of a Field. Lang is the language of Text, if it is not that of the page, such as "de" for "Deutsch".
type Option struct{ Value, Text, Lang string }

// A Link of a Page. Name is for programs and translations, such as "again" or "other"; that of a provider is
// "provider:" and its name. URL is https, http, or a path; another scheme is drawn for Page.Next alone.
type Link struct {
	Name, Text, URL string
	Args            map[string]any // values in the text, beside those of the page
	Note            string         // more about it, in small print, such as "Last used"
	Mark            string         // the service behind it, such as "google", for its picture
	Current         bool           // in a Menu: the page is this one
}
