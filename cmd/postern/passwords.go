package main

import (
	"fmt"
	"io"
	"os"

	"github.com/posternauth/postern/password/wordlist"
)

type passwordsGroup struct {
	Build passwordsBuild `cmd:"" help:"Make the file of a list of common passwords, for programs to refuse them."`
}

type passwordsBuild struct {
	List string `arg:"" placeholder:"LIST" help:"A text file with one password in a line; - is standard input."`
	Min  int    `default:"15" placeholder:"N" help:"The least length of the passwords that are taken, in characters. Default: 15."`
	Out  string `default:"passwords.bin" placeholder:"FILE" help:"The file to write. Default: passwords.bin"`
}

// Help is shown below the usage line.
func (passwordsBuild) Help() string {
	return `The file has about 22 bits for each password, and the passwords cannot be read from it. Of other passwords it takes one in a million for a password of the list. A program reads it with wordlist.ReadFile and gives it to policy.Config.Lists.

  postern passwords build --min 8 --out common.bin words.txt

Leading and trailing spaces of a line belong to its password. Letter case does not matter.`
}

// Run reads the list and writes the file.
func (c passwordsBuild) Run(w world) error {
	if c.Min < 1 || c.Min > 1024 {
		return usagef("passwords build --min: choose from 1 to 1024, not %d", c.Min)
	}
	words := w.in
	if c.List != "-" {
		file, err := os.Open(c.List)
		if err != nil {
			return fmt.Errorf("passwords build: %w", err)
		}
		defer file.Close()
		words = file
	}
	built, err := wordlist.Build(words, c.Min)
	if err != nil {
		return fmt.Errorf("passwords build: %w", err)
	}
	list, err := wordlist.Parse(string(built))
	if err != nil {
		return fmt.Errorf("passwords build: %w", err)
	}
	if err := os.WriteFile(c.Out, built, 0o644); err != nil {
		return fmt.Errorf("passwords build: %w", err)
	}
	_, err = io.WriteString(w.out, fmt.Sprintf("%s: %d passwords of at least %d characters in %d bytes\n", c.Out, list.Len(), list.Least(), len(built)))
	return err
}
