package users

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

// Bounds of fields, in bytes.
const (
	maxName    = 255
	maxLocale  = 35 // the longest tag that software must take (RFC 5646 section 4.4.1)
	maxPicture = 2048
	maxWhy     = 1024
	maxJSON    = 64 << 10 // of Data and of Profile
	maxIssuer  = 1024
	maxSubject = 1024
	maxUserID  = 128
)

// reservedNames are usernames that could be taken for somebody in charge, or for a part of the application, and the
// mailboxes of RFC 2142.
var reservedNames = func() map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq(`
		abuse account accounts admin administrator all anonymous api auth billing bot contact daemon everyone faq ftp guest
		help helpdesk home host hostmaster imap info invite legal list list-request localhost login logout mail mailer-daemon
		marketing me moderator mod news newsletter no-reply nobody noc noreply null oauth official operator owner password
		pop3 postern postmaster privacy profile register root sales security self service settings sign-in sign-out sign-up
		signin signout signup smtp ssl-admin sso staff status superuser support sysadmin sysop system team test undefined
		usenet user username users uucp verify webmaster www you`) {
		out[name] = true
	}
	return out
}()

// lower folds A to Z and leaves everything else, so that no letter of another script becomes an ASCII letter.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// checkUsername returns the username that s stands for.
func (d *Directory) checkUsername(s string) (string, error) {
	name, ok := text.Username(s)
	switch {
	case !d.names:
		return "", &FieldError{"username", "Usernames are not in use here."}
	case !ok:
		return "", &FieldError{"username", "A username has 3 to 32 of the letters a to z, digits, and . _ - between them."}
	case d.reserved[name]:
		return "", &FieldError{"username", "This username is reserved. Choose another."}
	}
	return name, nil
}

// CheckUsername returns a FieldError for a username that nobody can have here: of another form, or reserved.
func (d *Directory) CheckUsername(name string) error {
	_, err := d.checkUsername(name)
	return err
}

func checkAddress(s string) (string, error) {
	a, err := mailaddr.Parse(s)
	if err != nil {
		return "", &FieldError{"address", err.(*mailaddr.Error).Text}
	}
	return a.String(), nil
}

// identityForm reports whether an identity of a provider can be stored as it is.
func identityForm(id postern.Identity) bool {
	return id.Issuer != "" && len(id.Issuer) <= maxIssuer && utf8.ValidString(id.Issuer) &&
		id.Subject != "" && len(id.Subject) <= maxSubject && utf8.ValidString(id.Subject)
}

// userIDForm reports whether s can be the id of a user. "c_" begins the ids of clients.
func userIDForm(s string) bool {
	return s != "" && len(s) <= maxUserID && text.Visible(s) && !strings.HasPrefix(s, "c_")
}

func checkName(s string) error {
	if s != text.Line(s, maxName) {
		return &FieldError{"name", "A name is one line of at most 255 bytes, without control characters."}
	}
	return nil
}

func checkLocale(s string) error {
	if len(s) > maxLocale || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return &FieldError{"locale", "A locale is a language tag, such as de-CH."}
	}
	return nil
}

func checkPicture(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(s) > maxPicture || !text.Visible(s) ||
		strings.ContainsAny(s, "\"'<>\\^`{|}") {
		return &FieldError{"picture", "A picture is an https URL of at most 2,048 characters."}
	}
	return nil
}

// checkJSON returns compact JSON. A JSON null is nothing.
func checkJSON(field string, raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil || !utf8.Valid(raw) {
		return nil, &FieldError{field, "It is not JSON."}
	}
	switch {
	case b.Len() > maxJSON:
		return nil, &FieldError{field, "It is longer than 64 KiB."}
	case b.String() == "null":
		return nil, nil
	}
	return b.Bytes(), nil
}
