package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxRegular is the size of the largest file that a configuration is or names, in bytes.
const maxRegular = 1 << 20

// readRegular reads a regular file of up to maxRegular bytes. A pipe could block the server and its signals, and a
// device has no end.
func readRegular(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe opens without a writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRegular+1))
	if err == nil && len(data) > maxRegular {
		err = fmt.Errorf("%s has more than %d bytes", name, maxRegular)
	}
	return data, err
}
