package main

import (
	"fmt"
	"io"

	"github.com/posternauth/postern/internal/regular"
)

// maxRegular is the size of the largest file that a configuration is or names, in bytes.
const maxRegular = 1 << 20

// readRegular reads a regular file of up to maxRegular bytes. A pipe could block the server and its signals, and a
// device has no end.
func readRegular(name string) ([]byte, error) {
	f, _, err := regular.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRegular+1))
	if err == nil && len(data) > maxRegular {
		err = fmt.Errorf("%s has more than %d bytes", name, maxRegular)
	}
	return data, err
}
