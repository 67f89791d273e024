package postern

import (
	"net/http"
	"net/url"
	"strings"
)

// profilePage is what the person is called, and where mail reaches them.
func (a *Auth) profilePage(r *http.Request, v accountView) (Page, error) {
	p := Page{Name: "postern.account", Title: "Your account"}
	p.Sections = append(p.Sections, a.frozenSection(v)...)
	p.Sections = append(p.Sections, a.profileSection(v))
	addresses, err := a.addressSection(r, v)
	if err != nil {
		return p, err
	}
	p.Sections = append(p.Sections, addresses)
	data := Section{Name: "data", Title: "Your data", Links: []Link{{Name: "download", Text: "Download my data", URL: a.accountURL("download")}}}
	if _, ok := a.session.users.(UserDeleter); ok {
		data.Links = append(data.Links, Link{Name: "delete", Text: "Delete my account", URL: a.accountURL("delete")})
	}
	p.Sections = append(p.Sections, data, a.signOutSection())
	return p, nil
}

func (a *Auth) signOutSection() Section {
	return Section{Name: "sign-out", Title: "Sign out", Text: "You stay signed in elsewhere.",
		Forms: []Form{{Name: "sign-out", Action: a.accountURL("sign-out"), Submit: "Sign out"}}}
}

func (a *Auth) profileSection(v accountView) Section {
	s := Section{Name: "profile", Title: "Profile"}
	line := func(label string, value any) {
		if value != "" {
			s.Lines = append(s.Lines, Line{Label: label, Value: value})
		}
	}
	name := any(v.Name)
	if v.Name == "" {
		name = Phrase("Not given")
	}
	line("Name", name)
	line("Username", v.Username)
	_, edits := a.session.users.(AccountEditor)
	language := Line{Label: "Language", Value: languageName(v.Locale), Note: "For mails to you, and for these pages."}
	if v.Locale == "" {
		language.Value = Phrase("As the browser says")
	}
	if edits || v.Locale != "" {
		s.Lines = append(s.Lines, language)
	}
	line("Picture", v.Picture)
	if edits {
		s.Links = []Link{{Name: "edit", Text: "Change the profile", URL: a.accountURL("profile")}}
	}
	return s
}

// profileForm is the page on which a person changes what they are called.
func (a *Auth) profileForm(_ *http.Request, v accountView, values url.Values) (Page, error) {
	if _, ok := a.session.users.(AccountEditor); !ok {
		return Page{}, errNotFound()
	}
	value := func(name, now string) string {
		if values.Has(name) {
			return values.Get(name)
		}
		return now
	}
	locale := value("locale", v.Locale)
	return Page{
		Name: "postern.account-profile", Title: "Your profile", Links: a.cancel(""),
		Forms: []Form{{Action: a.accountURL("profile"), Submit: "Save", Fields: []Field{
			{Name: "name", Label: "Name", Value: value("name", v.Name), Autocomplete: "name", MaxLength: 255},
			{Name: "locale", Label: "Language", Type: "select", Value: locale, Autocomplete: "language", Options: languageOptions(locale),
				Hint: "For mails to you, and for these pages in this browser."},
			{Name: "picture", Label: "Address of a picture", Type: "url", Value: value("picture", v.Picture), Autocomplete: "photo", MaxLength: 2048,
				Hint: "It begins with https. Applications may show the picture beside your name."},
		}}},
	}, nil
}

func (a *Auth) doProfile(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	editor, ok := a.session.users.(AccountEditor)
	if !ok {
		return "", errNotFound()
	}
	var edit AccountEdit
	for name, field := range map[string]**string{"name": &edit.Name, "locale": &edit.Locale, "picture": &edit.Picture} {
		if values.Has(name) {
			value := strings.TrimSpace(values.Get(name))
			*field = &value
		}
	}
	if edit.Name == nil && edit.Locale == nil && edit.Picture == nil {
		return "", badRequest("missing_field", "The form was empty. Please fill it in again.")
	}
	if _, _, err := a.changePerson(w, r, editor, edit); err != nil {
		return "", err
	}
	if tag := edit.Locale; tag != nil && (*tag == "" || languageTag(*tag)) {
		a.chooseLanguage(w, r, *tag)
	}
	return "?done=profile", nil
}

// languages are the languages that a person can choose, each with its own name.
var languages = [][2]string{
	{"en", "English"}, {"ar", "العربية"}, {"de", "Deutsch"}, {"es", "Español"}, {"fr", "Français"}, {"he", "עברית"}, {"it", "Italiano"},
	{"ja", "日本語"}, {"ko", "한국어"}, {"nl", "Nederlands"}, {"pl", "Polski"}, {"pt-BR", "Português (Brasil)"}, {"tr", "Türkçe"},
	{"uk", "Українська"}, {"zh-Hans", "简体中文"}, {"zh-Hant", "繁體中文"},
}

// languageName is the name of a language, by its tag. A region that is not in the list stays beside it.
func languageName(tag string) string {
	primary, region, _ := strings.Cut(tag, "-")
	for _, l := range languages {
		switch {
		case strings.EqualFold(l[0], tag):
			return l[1]
		case l[0] == primary && region != "":
			return l[1] + " (" + region + ")"
		}
	}
	return tag
}

func languageOptions(chosen string) []Option {
	options, found := []Option{{Value: "", Text: "As the browser says"}}, chosen == ""
	for _, l := range languages {
		options = append(options, Option{Value: l[0], Text: l[1], Lang: l[0]})
		found = found || l[0] == chosen
	}
	if !found {
		options = append(options, Option{Value: chosen, Text: languageName(chosen), Lang: chosen})
	}
	return options
}
