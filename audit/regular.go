package audit

import (
	"errors"
	"fmt"
	"os"

	"github.com/posternauth/postern/internal/regular"
)

// openRegular opens a file of a log to read it.
func openRegular(name string) (*os.File, error) {
	f, _, err := regular.Open(name)
	if errors.Is(err, regular.Err) {
		err = fmt.Errorf("%w: move it out of the folder of the log", err)
	}
	return f, err
}
