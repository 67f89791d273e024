package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxEnvFile is the size of the largest file of variables. Lambda allows 4 KiB of them.
const maxEnvFile = 64 << 10

// readEnvFile reads a file of environment variables. No error contains a value: it may be a secret.
func readEnvFile(path string) ([]setting, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxEnvFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--env-file: %w", err)
	case len(data) > maxEnvFile:
		return nil, fmt.Errorf("--env-file: %s is larger than %d KiB", path, maxEnvFile>>10)
	}
	list, err := parseEnv(string(data))
	if err != nil {
		return nil, fmt.Errorf("--env-file: %s:%w", path, err)
	}
	return list, nil
}

// parseEnv reads lines of NAME=value, where shells, Docker and the many readers of .env files agree on the value. What
// they read differently is refused: the error begins with the number of the line.
func parseEnv(text string) ([]setting, error) {
	var list []setting
	seen := map[string]bool{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if start := strings.TrimLeft(line, " \t"); start == "" || start[0] == '#' {
			continue
		}
		name, raw, ok := strings.Cut(line, "=")
		if !ok || !variableName(name) {
			return nil, fmt.Errorf("%d: want NAME=value, with a name of letters, digits and underscores, and no space around it", n)
		}
		if seen[name] {
			return nil, fmt.Errorf("%d: %s is set twice", n, name)
		}
		seen[name] = true
		value, err := envValue(raw)
		if err != nil {
			return nil, fmt.Errorf("%d: %s: %w", n, name, err)
		}
		list = append(list, setting{name, value})
	}
	return list, nil
}

func variableName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == "" && (s[0] < '0' || s[0] > '9')
}

// envValue reads a value: bare, 'as it is', or "with \n, \r, \t, \\, \" and \$".
func envValue(raw string) (string, error) {
	switch {
	case !utf8.ValidString(raw) || strings.ContainsRune(raw, 0):
		return "", errors.New("the value is not text")
	case strings.HasPrefix(raw, "'"):
		value, rest, closed := strings.Cut(raw[1:], "'")
		if !closed || rest != "" {
			return "", errors.New("the value must end with the second ' of the line")
		}
		return value, nil
	case strings.HasPrefix(raw, `"`):
		return quotedValue(raw[1:])
	case strings.ContainsAny(raw, " \t\"'`#$\\"):
		return "", errors.New("a value with a space, a quote or one of ` # $ \\ must be in single quotes")
	}
	return raw, nil
}

// quotedValue reads what follows the first double quote.
func quotedValue(raw string) (string, error) {
	escapes := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '$': '$'}
	var value strings.Builder
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '"':
			if i != len(raw)-1 {
				return "", errors.New(`nothing may follow the closing "`)
			}
			return value.String(), nil
		case '$', '`':
			return "", fmt.Errorf("in double quotes, %c is not taken: put the value in single quotes", c)
		case '\\':
			i++
			if i == len(raw) || escapes[raw[i]] == 0 {
				return "", errors.New(`in double quotes, a backslash stands before n, r, t, ", $ or another backslash only`)
			}
			value.WriteByte(escapes[raw[i]])
		default:
			value.WriteByte(c)
		}
	}
	return "", errors.New(`the closing " is missing: a value is on one line`)
}
