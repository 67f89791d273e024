// Command local runs the two functions behind a simulated WebSocket API, and connects to it: each line that you type is
// a message.
//
//	go run ./examples/websocket/local
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/posternauth/postern/examples/websocket/chat"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	token, public, err := newToken(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "websocket-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	authorizer, err := start(ctx, dir, "authorizer", public)
	if err != nil {
		return err
	}
	defer authorizer.Close()
	messages, err := start(ctx, dir, "messages", public)
	if err != nil {
		return err
	}
	defer messages.Close()
	api, err := lambdatest.NewWebSocket(lambdatest.WebSocketConfig{
		Routes:     map[string]lambdatest.Function{"$connect": messages, "$disconnect": messages, "$default": messages},
		Authorizer: &lambdatest.LambdaAuthorizer{Function: authorizer},
	})
	if err != nil {
		return err
	}

	for _, protocols := range []string{"chat", "chat, bearer." + token} { // without a token first
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "wss://api.example.com/", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Sec-WebSocket-Protocol", protocols)
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Origin", "https://app.example.com")
		connection, response := api.Connect(r)
		fmt.Fprintln(out, "connect:", response.Status)
		if connection == nil {
			continue
		}
		for lines := bufio.NewScanner(in); lines.Scan(); {
			answer, err := connection.Send(ctx, lines.Bytes())
			if err != nil {
				return err
			}
			var said struct{ Body string }
			if err := json.Unmarshal(answer, &said); err != nil {
				return err
			}
			fmt.Fprintln(out, said.Body)
		}
		return connection.Close(ctx, 1000, "bye")
	}
	return errors.New("the token was not let in")
}

// newToken makes a key, and a token for Ada.
func newToken(ctx context.Context) (token, public string, err error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	signing, err := keys.NewSigningKey(private, keys.EdDSA, "")
	if err != nil {
		return "", "", err
	}
	signer, err := keys.StaticSigner(signing)
	if err != nil {
		return "", "", err
	}
	members, err := chat.Members(signer)
	if err != nil {
		return "", "", err
	}
	tokens, err := members.Create(ctx, session.Grant[chat.Member]{Subject: "u1", Properties: chat.Member{Name: "Ada"}})
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	return tokens.Access, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

// start builds one of the functions and runs it as Lambda does.
func start(ctx context.Context, dir, name, public string) (*lambdatest.Runtime, error) {
	bootstrap := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "github.com/posternauth/postern/examples/websocket/"+name)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("building %s: %w", name, err)
	}
	return lambdatest.NewRuntime(lambdatest.RuntimeConfig{Bootstrap: bootstrap, Env: []string{"PUBLIC_KEY=" + public}, Output: os.Stderr})
}
