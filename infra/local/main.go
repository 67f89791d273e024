// Command local runs on this machine what the templates of infra deploy: the auth function, and an API behind the
// authorizer, each as a program behind an emulated API Gateway. moto stands in for DynamoDB and the Parameter Store,
// and mails arrive in an inbox. Nothing leaves the machine.
//
//	python3 -m pip install 'moto[server]==5.2.1'
//	go run ./infra/local
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/store/dynamostore"
)

// ports of localhost.
type ports struct{ issuer, api, inbox, aws int }

func main() {
	var p ports
	flag.IntVar(&p.issuer, "issuer", 3000, "port of the auth function")
	flag.IntVar(&p.api, "api", 3001, "port of the API")
	flag.IntVar(&p.inbox, "inbox", 3002, "port of the inbox")
	flag.IntVar(&p.aws, "aws", 5000, "port of moto")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, p); err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

// run starts all parts, and returns nil when ctx ends, or an error when a part ends before.
func run(ctx context.Context, out io.Writer, p ports) error {
	work, err := os.MkdirTemp("", "postern")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &house{ctx: ctx, out: out, ended: make(chan error, 8)}
	defer h.wait()
	defer cancel()

	mail, err := h.startInbox(p.inbox)
	if err != nil {
		return err
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", p.aws)
	if err := h.start("moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(p.aws)); err != nil {
		return fmt.Errorf("%w: python3 -m pip install 'moto[server]==5.2.1'", err)
	}
	if err := makeTable(ctx, endpoint); err != nil {
		return err
	}
	config, err := configuration("infra/postern.toml", mail)
	if err != nil {
		return err
	}
	file, program := filepath.Join(work, "postern.toml"), filepath.Join(work, "postern")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/postern").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	issuer, api := fmt.Sprintf("http://localhost:%d/auth", p.issuer), fmt.Sprintf("http://localhost:%d", p.api)
	err = errors.Join(
		h.start(program, "lambda", "--no-rebuild", "--addr", fmt.Sprintf("localhost:%d", p.issuer), "--timeout", "10s", "--memory", "1024", "--processes", "2",
			"-e", "AWS_ENDPOINT_URL="+endpoint, "-e", "AWS_REGION=eu-west-1", "-e", "AWS_ACCESS_KEY_ID=local", "-e", "AWS_SECRET_ACCESS_KEY=local",
			"-e", "POSTERN_CONFIG="+file, "-e", "POSTERN_ISSUER="+issuer, "-e", "POSTERN_AUDIENCE=api", "-e", "POSTERN_APP=local", "-e", "POSTERN_STAGE=dev",
			"-e", "POSTERN_ORIGINS="+api, "-e", "POSTERN_REDIRECTS="+api+"/health", "-e", "POSTERN_STORE=dynamodb:"+table, "-e", "POSTERN_VAULT=ssm:/local/dev/auth/keys",
			"-e", "POSTERN_SEAL=", "-e", "POSTERN_MAIL_FROM=sign-in@example.com", "./cmd/postern-lambda"),
		h.start(program, "lambda", "--no-rebuild", "--addr", fmt.Sprintf("localhost:%d", p.api), "--timeout", "5s", "--memory", "256", "--authorizer-cache", "60s",
			"-e", "POSTERN_ISSUER="+issuer, "-e", "POSTERN_AUDIENCE=api", "-e", "POSTERN_IDENTITY_SOURCES=$request.header.Authorization",
			"--authorizer", "./cmd/postern-authorizer", "--open", "/health", "./infra/example/api"),
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n  sign up   %s/sign-up\n  inbox     http://localhost:%d/inbox\n  the API   %s/me, with a token; %s/health, without\n\n", issuer, p.inbox, api, api)
	select {
	case err := <-h.ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// A house is what runs, until its context ends.
type house struct {
	ctx   context.Context
	out   io.Writer
	parts int
	ended chan error // gets the end of each part
}

func (h *house) add(name string, wait func() error) {
	h.parts++
	go func() { h.ended <- fmt.Errorf("%s ended: %w", filepath.Base(name), errors.Join(wait(), h.ctx.Err())) }()
}

// start starts a program, which is interrupted at the end.
func (h *house) start(name string, args ...string) error {
	cmd := exec.CommandContext(h.ctx, name, args...)
	cmd.Stdout, cmd.Stderr = h.out, h.out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	h.add(name, cmd.Wait)
	return nil
}

// startInbox starts the inbox and its mail server, and returns the address of the latter.
func (h *house) startInbox(port int) (string, error) {
	box := inbox.New()
	pages, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	mails, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", errors.Join(err, pages.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/inbox", box)
	mux.Handle("/inbox.json", box)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(h.ctx, func() { _ = server.Close() })
	h.add("inbox", func() error { defer stop(); return server.Serve(pages) })
	h.add("mail server", func() error { return (&inbox.SMTP{Inbox: box}).Serve(h.ctx, mails) })
	return mails.Addr().String(), nil
}

// wait waits until all parts have ended.
func (h *house) wait() {
	for range h.parts - len(h.ended) {
		select {
		case <-h.ended:
		case <-time.After(15 * time.Second):
			return
		}
	}
}

const table = "auth"

// makeTable makes the table as soon as moto answers.
func makeTable(ctx context.Context, endpoint string) error {
	db := dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	for end := time.Now().Add(30 * time.Second); ; {
		err := dynamostore.CreateTable(ctx, db, table)
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// configuration returns that of the templates with mail by SMTP, and with a client that gets its tokens in the answer.
func configuration(file, mail string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: run it in the root of the repository", err)
	}
	config := strings.Replace(string(text), `"ses:"`, fmt.Sprintf("\"smtp://%s\"\nallow_plaintext = true", mail), 1)
	var kept []string
	for line := range strings.Lines(config) {
		// localhost has no registered domain, and curl makes no code challenge.
		if !strings.HasPrefix(line, "site ") && !strings.HasPrefix(line, "require_pkce ") {
			kept = append(kept, line)
		}
	}
	return "token_clients = [\"cli\"]\n" + strings.Join(kept, ""), nil
}
