package totp

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/posternauth/postern"
)

// maxLabel is how many characters of a name are in the picture: a longer one makes it too fine for a camera.
const maxLabel = 64

// address returns the URI that an app reads:
// https://github.com/google/google-authenticator/wiki/Key-Uri-Format. The application is in it twice, because some apps
// read one place and some the other.
func address(app, account string, seed []byte) string {
	name := escape(app)
	return "otpauth://totp/" + name + ":" + escape(account) + "?secret=" + seedText(seed) + "&issuer=" + name +
		"&algorithm=SHA1&digits=" + strconv.Itoa(digits) + "&period=" + strconv.Itoa(int(period.Seconds()))
}

// escape percent-encodes a name. A colon separates the names, so it cannot be in one. A space is %20: apps show a plus
// sign.
func escape(name string) string {
	runes := []rune(strings.ReplaceAll(name, ":", " "))
	name = string(runes[:min(len(runes), maxLabel)])
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// account is what an app shows of a person.
func account(p postern.Person) string {
	if mail, ok := p.Email(); ok {
		return mail
	}
	for _, name := range []string{p.Username, p.Name} {
		if name != "" {
			return name
		}
	}
	return "account"
}

// quiet is the white border of a QR code, in modules (ISO/IEC 18004).
const quiet = 4

// picture returns the QR code of a text.
func picture(text, description string) (*postern.Figure, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("totp: the picture: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return &postern.Figure{Text: description, Size: code.Size + 2*quiet, Path: path.String()}, nil
}
