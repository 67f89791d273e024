package policy

import _ "embed"

// common15 is the file of a list of 9,751 passwords with 15 and more characters. NOTICE has its source and licence.
//
//go:embed common15.bin
var common15 string
