package postern

// A Page is what a person sees between authorize and callback. All of it is plain text: the drawing escapes it.
type Page struct {
	Status int    // HTTP status; 0: 200
	Title  string // of the window, and the heading
	Text   string // what to know; an empty line begins a new paragraph
	Error  string // what went wrong, shown as an alert
	Code   string // stable code of Error, for translations
	Form   *Form  // what to fill in, if anything
	Links  []Link // where else to go

	// Request is a reference for support that stands in the log beside the cause. Set on faults of the server.
	Request string
}

// A Form of a Page. Its method is POST.
type Form struct {
	Action string            // URL; empty: that of the page
	Hidden map[string]string // fields nobody sees
	Fields []Field           // in order
	Submit string            // text of the button; empty: "Continue"

	// Origins are others than those of Config.Redirects to which the answer may redirect, such as
	// "https://accounts.google.com": browsers hold the redirects that follow a form to the page's form-action.
	Origins []string
}

// A Field of a Form: a labelled input.
type Field struct {
	Name, Label, Type, Value, Autocomplete, InputMode, Pattern, Hint string
	MaxLength                                                        int // in characters; 0: none
	Required                                                         bool
}

// A Link of a Page. URL is https, http, or a path; another scheme is not drawn.
type Link struct{ Text, URL string }
