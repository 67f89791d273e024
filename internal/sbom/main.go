// Command sbom writes the software bill of materials of a program, in CycloneDX 1.6, from what the Go linker wrote into
// the program:
//
//	go run ./internal/sbom -version v0.1.0 postern > postern.cdx.json
//
// The same program gives the same bytes: there is no time and no random serial number.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// run reads the program that the arguments name and writes its bill.
func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "version of the program, such as v0.1.0; by default that of its main module")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: sbom [-version v0.1.0] PROGRAM")
	}
	program, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	sum := sha256.Sum256(program)
	b, err := billOf(info, *version, hex.EncodeToString(sum[:]))
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // purls have an &
	enc.SetIndent("", "  ")
	return enc.Encode(b)
}
