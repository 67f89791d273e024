package secrets

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/posternauth/postern/internal/regular"
)

// Environment is a Source of what the environment of the process holds. For a key with the name NAME it takes
//
//   - the variable NAME
//   - the file that the variable NAME_FILE names, as secrets of Docker and Kubernetes are given
//   - the file NAME in the folder that the variable CREDENTIALS_DIRECTORY names, as systemd gives credentials
//
// Two of these are an error, and so is a file that cannot be read. One line break at the end of a file is not a part of
// the value. A process has the environment of one application and one stage, so there are no values for the fallback
// stage.
type Environment struct {
	// LookupEnv reads a variable: os.LookupEnv. Required.
	LookupEnv func(name string) (string, bool)
}

// Lookup returns the values that the environment has.
func (e Environment) Lookup(_ context.Context, keys []Key) (map[Key]string, error) {
	found := map[Key]string{}
	for _, key := range keys {
		if err := key.Check(); err != nil {
			return nil, err
		}
		if key.Stage == FallbackStage {
			continue
		}
		value, ok, err := e.value(key.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			found[key] = value
		}
	}
	return found, nil
}

func (e Environment) value(name string) (value string, ok bool, err error) {
	value, ok = e.LookupEnv(name)
	from := ""
	if ok {
		from = "the variable " + name
	}
	if path, set := e.LookupEnv(name + "_FILE"); set {
		if from != "" {
			return "", false, fmt.Errorf("secrets: %s is there twice: in %s and in the file of %[1]s_FILE; leave one out", name, from)
		}
		if value, err = readFile(path); err != nil {
			return "", false, fmt.Errorf("secrets: the file of %s_FILE: %w", name, err)
		}
		ok, from = true, "the file of "+name+"_FILE"
	}
	folder, set := e.LookupEnv("CREDENTIALS_DIRECTORY")
	if !set || folder == "" {
		return value, ok, nil
	}
	path := filepath.Join(folder, name)
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return value, ok, nil
	}
	if from != "" {
		return "", false, fmt.Errorf("secrets: %s is there twice: in %s and in the folder of CREDENTIALS_DIRECTORY; leave one out", name, from)
	}
	if value, err = readFile(path); err != nil {
		return "", false, fmt.Errorf("secrets: the credential: %w", err)
	}
	return value, true, nil
}

// readFile returns a file without one line break at its end.
func readFile(path string) (string, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxValue+3))
	if err != nil {
		return "", err
	}
	if n := len(data); n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
		if n > 1 && data[n-2] == '\r' {
			data = data[:n-2]
		}
	}
	if len(data) > MaxValue {
		return "", fmt.Errorf("%s is longer than 64 KiB", path)
	}
	return string(data), nil
}
