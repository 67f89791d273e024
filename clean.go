package postern

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

const (
	maxName    = 255  // bytes of Identity.Name
	maxPicture = 2048 // bytes of Identity.Picture
	maxAddress = 320  // bytes of Address.Value
)

// clean returns id with the texts that people choose made safe to show. Providers pass on what people type, and
// applications print it into pages, logs, terminals and mail headers. Issuer and Subject are not touched: a changed
// key would be another person's.
func clean(id Identity) Identity {
	id.Name, id.Picture = text.Line(id.Name, maxName), cleanPicture(id.Picture)
	var kept []Address
	for _, a := range id.Addresses {
		if a.Value != "" && len(a.Value) <= maxAddress && !strings.ContainsFunc(a.Value, text.Hidden) && !strings.ContainsFunc(a.Value, unicode.IsSpace) {
			if m, err := mailaddr.Parse(a.Value); err == nil && a.Type == "email" {
				a.Value = m.String() // a provider may write it in another letter case
			}
			kept = append(kept, a)
		}
	}
	id.Addresses = kept
	return id
}

// cleanPicture returns s as a URL that is safe between quotes of any kind, or nothing.
func cleanPicture(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0: // never in a URL (RFC 3986 section 2)
			return ""
		case c == '\'' || c > '~':
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	if !text.Visible(u.Host) || b.Len() > maxPicture {
		return ""
	}
	return b.String()
}
