package postern

import "encoding/json"

// A Page is what a person sees, and what a JSON client reads, between authorize and callback. Its texts are plain text:
// the drawing escapes them.
type Page struct {
	Status int // HTTP status; 0: 200

	// Name says which page it is, for programs and translations: "{package}.{page}", such as "magic.sent" or
	// "postern.choose". A name stays as it is from version to version.
	Name string

	// Args are the values in the texts, by name, for programs and translations: a time.Duration, a time.Time, an int or
	// a string each.
	Args map[string]any

	App    string  // name of the application; empty: Config.Name. Part of the heading, unless Title has it
	Title  string  // title of the window, and heading
	Text   string  // an empty line begins a new paragraph
	Error  string  // what went wrong, shown as an alert
	Code   string  // stable code of Error, for translations and for support; the default drawing shows it in small print
	Lines  []Line  // a list, such as that of sessions or addresses
	Figure *Figure // a picture, such as a QR code; nil: none
	Ways   []Link  // above the forms: other ways to do what the forms are for
	Forms  []Form  // of several, a person uses one
	Links  []Link  // below the forms

	// Next is the URL that the page leads on to by itself, at once: draw it as <meta http-equiv="refresh">. Its
	// scheme is http, https, or a native app's. Only the page between a form and another site has it; Links of that
	// page hold it too.
	Next string

	// Script is the path of a script of this site, which the page loads, such as that of a passkey. The
	// Content-Security-Policy allows this script and no other. Empty: none.
	Script string

	// Data is for Script and for programs, such as which passkeys of the person still work; nil: none.
	Data json.RawMessage

	// Request is a reference for support: the log has it beside the cause. Only faults of the server have one.
	Request string
}

// A Figure is a picture of one colour. It is drawn as dark on light, also on a dark page, for a camera.
type Figure struct {
	Text string // for people who do not see it
	Size int    // width and height, in units of Path
	Path string // the dark parts, as the attribute d of an SVG path
}

// A Line of a Page: a label and a value, such as "Address" and "ann@example.com", with what can be done about it.
type Line struct {
	Label, Value string
	Form         *Form // nil: none. Its button should name the line: "Remove ann@example.com"
	Link         *Link // nil: none
}

// A Form of a Page. Its method is POST.
type Form struct {
	Name   string            // for programs and translations, unique on the page; empty if the page has one form
	Title  string            // heading of one of several forms; empty: none
	Action string            // URL; empty: that of the page
	Hidden map[string]string // hidden fields

	// Username is by what the person of a form with a password is known: an address or a username. The page has it in
	// a field that nobody sees and that is not sent, so that password managers keep the right name.
	//
	// Defaults to none.
	Username string

	Fields []Field         // in order
	Submit string          // text of the button; empty: "Continue"
	Data   json.RawMessage // for Page.Script and for programs, such as the options of a passkey; nil: none
}

// A Field of a Form: a labelled input. One of the type "checkbox" sends Value if it is ticked.
type Field struct {
	Name, Label, Type, Value, Autocomplete, InputMode, Pattern, Hint string
	MaxLength                                                        int // in characters; 0: none
	Required                                                         bool
}

// A Link of a Page. Name is for programs and translations, such as "again" or "other"; that of a provider is
// "provider:" and its name. URL is https, http, or a path; another scheme is drawn for Page.Next alone.
type Link struct{ Name, Text, URL string }
