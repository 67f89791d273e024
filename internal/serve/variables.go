package serve

import (
	"regexp"
	"strings"
)

// variables has the names of the variables of the environment that gave a setting, by its key.
type variables map[string]string

var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// hide returns the text of a problem without the value of its setting, if a variable gave it: it may be a secret.
func (v variables) hide(key, text string) string {
	name := v[key]
	if i := strings.LastIndexByte(key, '['); name == "" && i > 0 {
		name = v[key[:i]]
	}
	if name == "" {
		return text
	}
	return quotedText.ReplaceAllLiteralString(text, "the value of the variable "+name)
}
