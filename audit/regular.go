package audit

import (
	"fmt"
	"os"
)

// openRegular opens a regular file to read it. The opening of a pipe waits for a writer, which may never come, and a
// device has no end.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: move it out of the folder of the log", name)
	}
	if err != nil {
		_ = f.Close() // err is the cause
		return nil, err
	}
	return f, nil
}
