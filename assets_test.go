package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// assetsWorld is a handler with files and pages that name their language.
func assetsWorld(t *testing.T, change ...func(*world, *session.Config, *postern.Config)) *world {
	t.Helper()
	return newWorld(t, append(change, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Assets = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/page.css" || r.Header.Get("Cookie") != "" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/css")
			_, _ = w.Write([]byte("p{}"))
		})
		c.Render = func(w http.ResponseWriter, r *http.Request, p postern.Page) {
			w.WriteHeader(p.Status)
			_, _ = w.Write([]byte(p.Assets + " " + p.LanguageURL + " " + strings.Join(postern.Languages(r), "|")))
		}
	})...)
}

func TestAssets(t *testing.T) {
	v := assetsWorld(t)
	w := v.browser().get(issuer + "/assets/page.css")
	h := w.Header()
	if w.Code != 200 || w.Body.String() != "p{}" || h.Get("Content-Type") != "text/css" || h.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %q %v", w.Code, w.Body, h)
	}
	for _, path := range []string{"/assets/", "/assets/other.css", "/assets/../token", "/assets/%2e%2e/page.css", "/assets"} {
		w := v.browser().get(issuer + path)
		if w.Code != 404 || h.Get("Cache-Control") == w.Header().Get("Cache-Control") {
			t.Errorf("%s: %d %q", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
	if w := v.browser().post(issuer+"/assets/page.css", url.Values{}); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST of a file: %d", w.Code)
	}
	if w := newWorld(t).browser().get(issuer + "/assets/page.css"); w.Code != 404 {
		t.Errorf("without Config.Assets: %d", w.Code)
	}
}

func TestAssets_PolicyOfPages(t *testing.T) {
	v := assetsWorld(t)
	w := v.browser().get(issuer + "/desk/authorize")
	want := "default-src 'none'; style-src " + issuer + "/assets/; img-src " + issuer + "/assets/; base-uri 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'; form-action 'self'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("CSP\n%s\nwant\n%s", got, want)
	}
	if got := w.Header().Get("Permissions-Policy"); !strings.Contains(got, "publickey-credentials-get=(self)") || !strings.Contains(got, "camera=()") {
		t.Errorf("Permissions-Policy %q", got)
	}
	if got := w.Header().Get("Cross-Origin-Opener-Policy") + w.Header().Get("Cross-Origin-Resource-Policy"); got != "same-originsame-origin" {
		t.Errorf("COOP and CORP: %q", got)
	}
	if got := w.Body.String(); got != "/auth/assets/ /auth/language " {
		t.Errorf("addresses on the page: %q", got)
	}
	if got := v.browser().get(issuer + "/none/authorize").Body.String(); got != "/auth/assets/  " {
		t.Errorf("a refusal cannot be opened again in another language: %q", got)
	}
}

func TestLanguages(t *testing.T) {
	for _, c := range []struct{ query, locales, chosen, header, want string }{
		{"", "", "", "", ""},
		{"", "", "", "de-CH,de;q=0.9", "de-CH,de;q=0.9"},
		{"", "", "fr", "de", "fr|de"},
		{"", "pt-BR.pt", "fr", "de", "pt-BR|pt|fr|de"},
		{"?ui_locales=he+ar", "pt", "fr", "de", "he|ar|fr|de"},
		{"?ui_locales=%3Cb%3E", "pt", "fr", "de", "pt|fr|de"},
		{"?ui_locales=" + strings.Repeat("de+", 9) + "de", "", "", "", strings.Repeat("de|", 7) + "de"},
		{"", "", "../x", "", ""}, {"", "", strings.Repeat("a", 36), "", ""}, {"", "", "de-", "", ""},
		{"", "", "", strings.Repeat("de,", 400), ""},
	} {
		r := httptest.NewRequest("GET", issuer+"/authorize"+c.query, nil)
		for name, value := range map[string]string{"postern-locales": c.locales, "postern-language": c.chosen} {
			if value != "" {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
		if c.header != "" {
			r.Header.Set("Accept-Language", c.header)
		}
		if got := strings.Join(postern.Languages(r), "|"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestLanguage_Chosen(t *testing.T) {
	v := assetsWorld(t)
	b := v.browser()
	b.get(issuer + "/desk/authorize?ui_locales=pt-BR+pt&state=s")
	if got := b.get(issuer + "/desk/authorize").Body.String(); !strings.HasSuffix(got, " pt-BR|pt") {
		t.Errorf("ui_locales is not kept: %q", got)
	}
	w := b.post(issuer+"/language", url.Values{"language": {"de"}, "to": {"/auth/authorize?state=s&ui_locales=pt&x=%2F"}})
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != 303 || !strings.HasPrefix(to.String(), issuer+"/authorize?state=s&x=%2F") || strings.Contains(to.RawQuery, "ui_locales") {
		t.Errorf("%d %s", w.Code, to)
	}
	var set *http.Cookie
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-postern-language" {
			set = c
		}
	}
	if set == nil || set.Value != "de" || set.Path != "/" || !set.HttpOnly || !set.Secure || set.SameSite != http.SameSiteLaxMode || set.MaxAge != 365*24*3600 {
		t.Errorf("cookie %+v", set)
	}
	if got := b.get(issuer + "/desk/authorize").Body.String(); !strings.HasSuffix(got, " de") {
		t.Errorf("the choice does not count: %q", got)
	}
	r := httptest.NewRequest("POST", issuer+"/language", strings.NewReader(`{"language":"fr","to":"/auth/desk/authorize"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	w = b.do(r)
	if want := `{"redirect_uri":"` + issuer + `/desk/authorize"}`; w.Code != 200 || strings.TrimSpace(w.Body.String()) != want || len(w.Result().Cookies()) == 0 {
		t.Errorf("as JSON: %d %s", w.Code, w.Body)
	}
}

func TestLanguage_NoOpenRedirect(t *testing.T) {
	v := assetsWorld(t)
	for _, to := range []string{
		"", "https://evil.example/", "//evil.example/auth/", "/\\evil.example/", "/auth/\\evil", "\\\\evil", "/other", "/authx", "/auth//evil.example", "/auth/../other",
		"/auth/./x", "/auth/%2e%2e/other", "/auth/a%2fb", "javascript:alert(1)", "/auth/x#y", "/auth/" + strings.Repeat("a", 3000), "/auth/a b", "auth/", "/auth/\u202e",
	} {
		w := v.browser().post(issuer+"/language", url.Values{"language": {"de"}, "to": {to}})
		if w.Code != 400 || w.Header().Get("Location") != "" || slices.ContainsFunc(w.Result().Cookies(), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, "postern-language") }) {
			t.Errorf("to %q: %d, Location %q", to, w.Code, w.Header().Get("Location"))
		}
	}
	for _, tag := range []string{"", "x", "german", "de;q=1", "de DE", "de-", "<b>", strings.Repeat("de-", 12)} {
		if w := v.browser().post(issuer+"/language", url.Values{"language": {tag}, "to": {"/auth/authorize"}}); w.Code != 400 {
			t.Errorf("language %q: %d", tag, w.Code)
		}
	}
	r := httptest.NewRequest("POST", issuer+"/language", strings.NewReader("language=de&to=/auth/authorize"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	v.auth.ServeHTTP(w, r)
	if w.Code != 403 || len(w.Result().Cookies()) > 0 {
		t.Errorf("from another site: %d", w.Code)
	}
	if w := v.browser().get(issuer + "/language"); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}
