package postern

import (
	"encoding/json"
	"net/http"
	"strings"
)

// languageOfNew is the language that a new user gets, for mails: the one that was chosen in this browser, by ui_locales
// or on a page; else the claim locale of the provider (OpenID Connect Core section 5.1); else that of the browser.
func languageOfNew(r *http.Request, id Identity) string {
	chosen := len(localesOf(r)) + len(cookieTags(r, localesCookie)) + len(cookieTags(r, languageCookie))
	if tag := claimedLanguage(id); tag != "" && chosen == 0 {
		return tag
	}
	return firstLanguage(r)
}

// claimedLanguage is the claim locale of an identity; empty if there is none, or if it is not a tag (RFC 5646).
// Some providers write "en_US", which OpenID Connect asks programs to accept.
func claimedLanguage(id Identity) string {
	for _, claims := range []json.RawMessage{id.UserInfo, id.Raw} {
		var c struct {
			Locale any `json:"locale"` // whatever the provider writes
		}
		if len(claims) == 0 || json.Unmarshal(claims, &c) != nil {
			continue
		}
		if text, ok := c.Locale.(string); ok {
			if tag := strings.ReplaceAll(text, "_", "-"); tag != "" && languageTag(tag) {
				return tag
			}
		}
	}
	return ""
}
