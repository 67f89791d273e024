// Package regular opens files that have an end: no pipe and no device.
package regular

import (
	"errors"
	"fmt"
	"os"
)

// Err is wrapped by the error of Open for what is not a regular file.
var Err = errors.New("is not a regular file")

// Open opens a regular file to read it. The opening of a pipe would wait for a writer, which may never come, and a
// device has no end.
func Open(name string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s %w", name, Err)
	}
	if err != nil {
		_ = f.Close() // err is the cause
		return nil, nil, err
	}
	return f, info, nil
}
