package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrBound is the error for a value that was made for another key.
var ErrBound = errors.New("secrets: the value belongs to another application, stage or name")

// A bound value says for which key it was made, so that a copy under another key does not open. This is a guard against
// mistakes, such as a copy of a whole path to another stage. Somebody who may write to the place can write any value.
type bound struct {
	Version int    `json:"postern"`
	For     string `json:"for"`
	Value   string `json:"value"`
}

// Bind returns the text that a Source keeps for the value of a key, in a place where values can be copied. [Unbind]
// reads it.
func Bind(key Key, value string) (string, error) {
	if err := errors.Join(key.Check(), CheckValue(value)); err != nil {
		return "", err
	}
	text, err := json.Marshal(bound{1, key.scope(), value})
	if err != nil {
		return "", fmt.Errorf("secrets: %w", err)
	}
	return string(text), nil
}

// Unbind returns the value of a text that Bind made for the same key. A text that was made for another key is ErrBound.
// plain accepts a text that Bind did not make as the value itself, such as one that SST or the console of AWS wrote.
func Unbind(key Key, text string, plain bool) (string, error) {
	var b bound
	if strings.HasPrefix(strings.TrimSpace(text), `{"postern":`) && json.Unmarshal([]byte(text), &b) == nil && b.Version > 0 {
		switch {
		case b.Version != 1:
			return "", fmt.Errorf("secrets: the value of %s has a newer format", key)
		case b.For != key.scope():
			return "", fmt.Errorf("%w: under %s is that of %q", ErrBound, key, b.For)
		}
		return b.Value, CheckValue(b.Value)
	}
	if !plain {
		return "", fmt.Errorf("secrets: the value of %s was not written by Postern: set it with %s, or accept plain values", key, command(key, nil))
	}
	return text, nil
}
