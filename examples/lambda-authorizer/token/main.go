// Command token makes keys for partners of the API.
//
//	go run ./examples/lambda-authorizer/token -name "Ada Ltd" -scope orders:read,orders:write
//	go run ./examples/lambda-authorizer/token -public
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/posternauth/postern/examples/lambda-authorizer/partner"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("token", flag.ExitOnError)
	file := flags.String("key", "signing-key.pem", "the private key, which is made if it is not there")
	public := flags.Bool("public", false, "print the public key, for PUBLIC_KEY")
	name := flags.String("name", "Example Ltd", "who the token is for")
	scopes := flags.String("scope", "orders:read", "what it is good for, separated by commas")
	_ = flags.Parse(args) // it exits
	private, err := privateKey(*file)
	if err != nil {
		return err
	}
	if *public {
		return printPublic(out, private)
	}
	signing, err := keys.ParsePrivatePEM(private, keys.EdDSA, "")
	if err != nil {
		return err
	}
	signer, err := keys.StaticSigner(signing)
	if err != nil {
		return err
	}
	key, err := partner.Key(signer)
	if err != nil {
		return err
	}
	tokens, err := key.Create(context.Background(), session.Grant[partner.Partner]{
		Subject: *name, Properties: partner.Partner{Name: *name}, Scopes: strings.Split(*scopes, ","),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, tokens.Access)
	return err
}

// privateKey reads the key, or makes it.
func privateKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return text, os.WriteFile(file, text, 0o600)
}

func printPublic(out io.Writer, private []byte) error {
	signing, err := keys.ParsePrivatePEM(private, keys.EdDSA, "")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(signing.Public().Public())
	if err != nil {
		return err
	}
	return pem.Encode(out, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
