// Package common8 embeds a list of common passwords with 8 and more characters, of 1.3 MB. Import it where a password
// may be shorter than 15 characters because everybody has to show another factor:
//
//	list, err := common8.List()
//	rules, err := policy.New(policy.Config{MinLength: policy.LengthWithFactor, Lists: []*wordlist.List{list}})
//
// A program that does not import it does not carry it.
package common8

import (
	_ "embed"

	"github.com/posternauth/postern/password/wordlist"
)

// file is the list. NOTICE has its source and licence.
//
//go:embed common8.bin
var file string

// List reads the list. It takes some 30 milliseconds: do it once, when the program starts. It fails only if the program
// is damaged.
func List() (*wordlist.List, error) { return wordlist.Parse(file) }
