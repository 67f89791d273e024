package postern

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/useragent"
)

// Two cookies say in which language a person wants the pages. Both hold tags of languages alone, so they
// are not sealed: a wrong one does no harm.
const (
	languageCookie = "postern-language" // what the person chose, for a year
	localesCookie  = "postern-locales"  // what the application asked for with ui_locales, until the browser is closed
	hostPrefix     = "__Host-"          // of the names, with https: no other host can set them

	languageLife = 365 * 24 * time.Hour
	maxLanguages = 8    // tags of ui_locales
	maxReturn    = 2048 // bytes of the page to return to
)

// Languages returns what a person wants to read, best first. Each entry is a tag such as "de-CH", or a whole
// Accept-Language header:
//
//   - ui_locales of the request (OpenID Connect Core section 3.1.2.1), which an application may add to an authorize
//     URL, or that of the request with which the sign-in began
//   - the choice of the person, in the form of Page.LanguageURL
//   - the Accept-Language header
//
// Anything else is left out: each tag has the shape of one, and the header at most 1024 bytes.
func Languages(r *http.Request) []string {
	var list []string
	tags := localesOf(r)
	if len(tags) == 0 {
		tags = cookieTags(r, localesCookie)
	}
	list = append(tags, cookieTags(r, languageCookie)...)
	if header := strings.Join(r.Header.Values("Accept-Language"), ","); header != "" && len(header) <= 1024 {
		list = append(list, header)
	}
	return list
}

// firstLanguage is the tag that a mail or a new user gets; empty if the request says none.
func firstLanguage(r *http.Request) string {
	for _, one := range Languages(r) {
		if tag := useragent.Language(one); tag != "" {
			return tag
		}
	}
	return ""
}

// languageFor is the tag of the language for a mail to a person: the one that is kept with them, else that of the
// request in ctx, if they make it themselves. What an administrator or a stranger does has no language of theirs.
func languageFor(ctx context.Context, p Person) string {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	if p.Locale != "" || x == nil || x.self != p.ID {
		return p.Locale
	}
	return languageIn(ctx)
}

// languageIn is the language of the request in ctx.
func languageIn(ctx context.Context) string {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok && x.asks != nil {
		return firstLanguage(x.asks)
	}
	return ""
}

// languageOf is languageFor for the user who has an address; empty without one. Best effort: a mail without a language
// is a mail.
func (a *Auth) languageOf(ctx context.Context, address string) string {
	u, err := a.session.users.Find(ctx, mailIdentity(address))
	if err != nil {
		return ""
	}
	return a.languageOfUser(ctx, u)
}

func (a *Auth) languageOfUser(ctx context.Context, userID string) string {
	p, err := a.session.users.Get(ctx, userID)
	if err != nil {
		return ""
	}
	return languageFor(ctx, p)
}

// Language returns the tag of the language that the person of a request wants most, such as "de-CH", for Mail.Language;
// empty if the request says none.
func (f *Flow) Language(r *http.Request) string { return firstLanguage(r) }

// localesOf returns the tags of ui_locales.
func localesOf(r *http.Request) []string {
	value := ""
	if r.Form != nil {
		value = r.Form.Get("ui_locales")
	} else if strings.Contains(r.URL.RawQuery, "ui_locales=") {
		value = r.URL.Query().Get("ui_locales")
	}
	return tagsIn(value, " ")
}

func cookieTags(r *http.Request, name string) []string {
	for _, name := range [...]string{hostPrefix + name, name} {
		if c, err := r.Cookie(name); err == nil {
			return tagsIn(c.Value, ".")
		}
	}
	return nil
}

func tagsIn(value, separator string) (tags []string) {
	if len(value) > maxLanguages*36 {
		return nil
	}
	for tag := range strings.SplitSeq(value, separator) {
		if languageTag(tag) && len(tags) < maxLanguages {
			tags = append(tags, tag)
		}
	}
	return tags
}

// languageTag reports whether s has the shape of a tag (RFC 5646 section 2.1), of at most 35 characters: a language of
// two or three letters, then parts of up to eight letters and digits.
func languageTag(s string) bool {
	if len(s) > 35 || useragent.Language(s) != s {
		return false
	}
	for part := range strings.SplitSeq(s, "-") {
		if part == "" || len(part) > 8 {
			return false
		}
	}
	return true
}

// keepLocales keeps the ui_locales of an authorize request for the pages that follow.
func (a *Auth) keepLocales(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.RawQuery, "ui_locales=") || !opensPage(r) {
		return
	}
	if tags := localesOf(r); len(tags) > 0 {
		http.SetCookie(w, a.languageCookieOf(localesCookie, strings.Join(tags, "."), 0))
	}
}

func (a *Auth) languageCookieOf(name, value string, life time.Duration) *http.Cookie {
	if a.secure {
		name = hostPrefix + name
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

// chooseLanguage keeps the choice of a person in the browser. Without a tag the browser's languages count again.
func (a *Auth) chooseLanguage(w http.ResponseWriter, r *http.Request, tag string) {
	switch {
	case tag != "":
		http.SetCookie(w, a.languageCookieOf(languageCookie, tag, languageLife))
	case len(cookieTags(r, languageCookie)) > 0:
		http.SetCookie(w, a.languageCookieOf(languageCookie, "", -time.Second))
	}
	if len(cookieTags(r, localesCookie)) > 0 {
		http.SetCookie(w, a.languageCookieOf(localesCookie, "", -time.Second)) // the choice of the person counts from now on
	}
}

// postLanguage is POST {base}/language: it keeps the choice and returns to the page with the form.
func (a *Auth) postLanguage(w http.ResponseWriter, r *http.Request) {
	to, ok := a.ownPage(r.PostForm.Get("to"))
	tag := r.PostForm.Get("language")
	switch {
	case !a.ours(r):
		a.fail(w, r, nil, errCrossOrigin())
		return
	case !ok || !languageTag(tag):
		a.fail(w, r, nil, badRequest("invalid_request", "The request names no language, or no page of this site."))
		return
	}
	a.chooseLanguage(w, r, tag)
	if wantsJSON(r) {
		httperr.Redirect(w, to.String())
		return
	}
	if a.isStep(to) {
		if err := a.mark(r, to); err != nil { // it may redirect: no form-action blocks that then
			a.fail(w, r, nil, err)
			return
		}
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
}

// ownPage reads the address of a page of this handler: a path with a query, spelled as this handler serves it.
// ui_locales is cut off, because the person has chosen.
func (a *Auth) ownPage(s string) (*url.URL, bool) {
	if len(s) > maxReturn || !strings.HasPrefix(s, a.base+"/") && s != a.base || strings.ContainsAny(s, "\\#") {
		return nil, false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.RawPath != "" || u.Path == "" ||
		strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../") || !safeLink(a.origin+s) {
		return nil, false
	}
	var rest []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if part != "" && !strings.HasPrefix(part, "ui_locales=") {
			rest = append(rest, part)
		}
	}
	u.RawQuery = strings.Join(rest, "&")
	own, err := url.Parse(a.origin + u.RequestURI())
	return own, err == nil && originOf(own) == a.origin
}
