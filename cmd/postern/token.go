package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/posternauth/postern/internal/jose"
)

type tokenGroup struct {
	Inspect inspectCommand `cmd:"" help:"Show what a token says, with every time in words. Proves nothing."`
	Verify  verifyCommand  `cmd:"" help:"Check tokens: signature, expiry and whatever else is asked for."`
}

// maxLine is the longest line that can hold a token as a JSON string: each byte may be written as \u00XX.
const maxLine = 6*jose.MaxToken + 2

// lines reads lines of bounded length. What is beyond the bound is passed over without being kept.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReaderSize(r, maxLine+2)} }

// next returns the next line without its end. It is valid until the following call. tooLong says that the line was
// longer than maxLine; err is io.EOF after the last line.
func (l lines) next() (line []byte, tooLong bool, err error) {
	line, err = l.r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		line, err = l.r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(line) > 0 || tooLong) {
		err = nil // the last line has no line break
	}
	if err != nil {
		return nil, false, err
	}
	line = trimLine(line)
	return line, tooLong || len(line) > maxLine, nil
}

func trimLine(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// oneToken returns the argument, or what the input holds if it is "-". White space around it and a leading "Bearer"
// come along when a header is copied and are taken off.
func oneToken(arg string, in io.Reader) (string, error) {
	if arg == "-" {
		data, err := io.ReadAll(io.LimitReader(in, 2*jose.MaxToken))
		if err != nil {
			return "", fmt.Errorf("reading the token from standard input: %w", err)
		}
		arg = string(data)
	}
	token := strings.Trim(arg, " \t\r\n\"")
	if len(token) > 7 && strings.EqualFold(token[:7], "Bearer ") {
		token = strings.TrimLeft(token[7:], " ")
	}
	if token == "" {
		return "", usagef("there is no token; give one as argument, or - to read it from standard input")
	}
	return token, nil
}
