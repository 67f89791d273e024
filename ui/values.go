package ui

import (
	"fmt"
	"slices"

	"github.com/posternauth/postern/internal/words"
)

// sameValues refuses a text with values that the English one does not have.
func sameValues(english, own string) error {
	values, _, err := words.Inspect(own)
	if err != nil {
		return err
	}
	known, _, err := words.Inspect(english)
	if err != nil {
		return err
	}
	for _, name := range values {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no value {%s}: the text may have %q", name, known)
		}
	}
	return nil
}
