// Package pagestyle has the style sheet of the default pages. The stand-in provider and the inbox of development use it
// too, so that a person sees one design on the whole way.
package pagestyle

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

// CSS is the style sheet. It has a light and a dark theme and needs no other file.
//
//go:embed page.css
var CSS string

// Source returns the source of an inline style or script in a Content-Security-Policy: its hash.
func Source(inline string) string {
	sum := sha256.Sum256([]byte(inline))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
