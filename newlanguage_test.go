package postern_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestSignUp_LocaleOfTheProvider: a new user gets the language that their provider states, if it is a tag, and if
// nothing was chosen in the browser.
func TestSignUp_LocaleOfTheProvider(t *testing.T) {
	for name, c := range map[string]struct{ raw, info, chosen, query, want string }{
		"stated":              {raw: `{"locale":"de-CH"}`, want: "de-CH"},
		"with an underscore":  {raw: `{"locale":"pt_BR"}`, want: "pt-BR"},
		"by UserInfo":         {raw: `{"sub":"ada"}`, info: `{"locale":"fr"}`, want: "fr"},
		"chosen on a page":    {raw: `{"locale":"de"}`, chosen: "ja", want: "ja"},
		"chosen by the app":   {raw: `{"locale":"de"}`, query: "ko", want: "ko"},
		"not stated":          {raw: `{"sub":"ada"}`, want: "it"},
		"no tag":              {raw: `{"locale":"de\r\nBcc: eve@evil.example"}`, want: "it"},
		"too long":            {raw: `{"locale":"` + strings.Repeat("de-", 20) + `de"}`, want: "it"},
		"an object":           {raw: `{"locale":{"country":"US","language":"en"}}`, want: "it"},
		"empty":               {raw: `{"locale":""}`, want: "it"},
		"of no JSON":          {raw: `locale`, want: "it"},
		"nothing of the kind": {want: "it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			b := h.browser()
			b.Header.Set("Accept-Language", "it")
			if c.chosen != "" {
				b.Cookies["__Host-postern-language"] = c.chosen
			}
			who := h.who
			who.Raw, who.UserInfo = json.RawMessage(c.raw), json.RawMessage(c.info)
			if c.query != "" {
				b.Cookies["__Host-postern-locales"] = c.query
			}
			want(t, h.signIn(b, who), http.StatusSeeOther, "")
			if got := decoded[account](t, b.json("GET", "/account", "")).Locale; got != c.want {
				t.Errorf("the language is %q, want %q", got, c.want)
			}
		})
	}
}
