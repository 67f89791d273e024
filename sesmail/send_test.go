package sesmail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/sesmail"
)

const (
	from   = "Example Shop <no-reply@example.com>"
	ada    = "ada@example.com"
	secret = "Zm9vYmFyYmF6cXV4Zm9vYmFy"
)

func letter() postern.Mail {
	link := "https://auth.example.com/auth/link/callback?token=" + secret
	return postern.Mail{
		To: ada, Subject: "Sign in", Text: "Open " + link + "\n", HTML: "<p>Größe</p>", Args: map[string]any{"link": link, "code": "481516"},
	}
}

// newClient makes a client as a program does, for a server of a test.
func newClient(url string, transport http.RoundTripper) *sesv2.Client {
	return sesv2.New(sesv2.Options{
		Region: "eu-central-1", BaseEndpoint: &url, HTTPClient: &http.Client{Transport: transport}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func newSender(t *testing.T, c sesmail.Config) *sesmail.Sender {
	t.Helper()
	if c.From == "" {
		c.From = from
	}
	s, err := sesmail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A request is what a Sender asks of SES.
type request struct {
	Content              struct{ Raw struct{ Data []byte } }
	Destination          struct{ ToAddresses []string }
	ConfigurationSetName string

	FeedbackForwardingEmailAddress string
}

// watch passes requests on, and keeps the last one.
type watch struct {
	http.RoundTripper
	last request
}

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.last = request{}
	if err := json.Unmarshal(body, &w.last); err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return w.RoundTripper.RoundTrip(r)
}

// A server that somebody else wrote takes the mails of a verified sender, and rejects those of another.
func TestSend_Moto(t *testing.T) {
	server, err := testserver.StartMoto(t.TempDir())
	if errors.Is(err, testserver.ErrNoMoto) {
		testneed.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := newClient(server.URL(), transport)
	identity := "example.com"
	if _, err := client.CreateEmailIdentity(t.Context(), &sesv2.CreateEmailIdentityInput{EmailIdentity: &identity}); err != nil {
		t.Fatal(err)
	}
	seen := &watch{RoundTripper: transport}
	client = newClient(server.URL(), seen)
	s := newSender(t, sesmail.Config{Client: client, Feedback: "bounces@example.com", ConfigurationSet: "sign-in"})
	if err := s.Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}
	if seen.last.Destination.ToAddresses[0] != ada || seen.last.FeedbackForwardingEmailAddress != "bounces@example.com" || seen.last.ConfigurationSetName != "sign-in" {
		t.Errorf("%+v", seen.last)
	}
	m, err := mail.ReadMessage(strings.NewReader(string(seen.last.Content.Raw.Data)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"From": `"Example Shop" <no-reply@example.com>`, "To": "<" + ada + ">", "Subject": "Sign in", "Auto-Submitted": "auto-generated"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	err = newSender(t, sesmail.Config{Client: client, From: "no-reply@example.org"}).Send(t.Context(), letter())
	if err == nil || errors.Is(err, postern.ErrMailUnavailable) || !strings.Contains(err.Error(), "MessageRejected") {
		t.Errorf("of another domain: %v", err)
	}
	if seen.last.FeedbackForwardingEmailAddress != "" || seen.last.ConfigurationSetName != "" {
		t.Errorf("%+v", seen.last)
	}
}

// What stops every mail is an outage, and what is about one mail is not. No answer brings a secret into an error.
func TestSend_Refusals(t *testing.T) {
	for code, c := range map[string]struct {
		status int
		outage bool
	}{
		"TooManyRequestsException": {429, true}, "LimitExceededException": {400, true}, "SendingPausedException": {400, true},
		"AccountSuspendedException": {400, true}, "MailFromDomainNotVerifiedException": {400, true}, "NotFoundException": {404, true},
		"AccessDeniedException": {403, true}, "ExpiredTokenException": {403, true}, "InternalServiceErrorException": {500, true}, "ThrottlingException": {400, true},
		"MessageRejected": {400, false}, "BadRequestException": {400, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", code)
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"message":"about %s: %s, code 481516\n\u001b[31m"}`, strings.ToUpper(ada), secret)
		}))
		err := newSender(t, sesmail.Config{Client: newClient(server.URL, http.DefaultTransport)}).Send(t.Context(), letter())
		server.Close()
		if err == nil || errors.Is(err, postern.ErrMailUnavailable) != c.outage || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", code, err)
			continue
		}
		for _, s := range []string{ada, secret, "481516", "\n", "\x1b"} {
			if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(s)) {
				t.Errorf("%s: the error has %q: %v", code, s, err)
			}
		}
	}
}

// A server that does not answer, or is not there, is an outage within the time that the Config gives.
func TestSend_Outage(t *testing.T) {
	done := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(done)
	begun := time.Now()
	err := newSender(t, sesmail.Config{Client: newClient(silent.URL, http.DefaultTransport), Timeout: 50 * time.Millisecond}).Send(t.Context(), letter())
	if !errors.Is(err, postern.ErrMailUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newSender(t, sesmail.Config{Client: newClient(silent.URL, http.DefaultTransport)}).Send(ctx, letter()); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if err := newSender(t, sesmail.Config{Client: newClient(gone.URL, http.DefaultTransport)}).Send(t.Context(), letter()); !errors.Is(err, postern.ErrMailUnavailable) {
		t.Errorf("not there: %v", err)
	}
}

// A header that somebody could write into is refused before anything is sent.
func TestSend_Header(t *testing.T) {
	s := newSender(t, sesmail.Config{Client: printer{}})
	for _, m := range []postern.Mail{{To: "a@example.com\r\nBcc: b@example.com", Subject: "x"}, {To: ada, Subject: "x\r\nBcc: b@example.com"}} {
		if err := s.Send(t.Context(), m); err == nil || errors.Is(err, postern.ErrMailUnavailable) {
			t.Errorf("%q %q: %v", m.To, m.Subject, err)
		}
	}
}

func TestNew(t *testing.T) {
	for want, c := range map[string]sesmail.Config{
		"Client": {From: from}, "From is not": {Client: printer{}}, "From is not one": {Client: printer{}, From: "a@example.com, b@example.com"},
		"From is not one address": {Client: printer{}, From: "Shop <shop@localhost>"}, "Feedback": {Client: printer{}, From: from, Feedback: "Shop <a@example.com>"},
		"Timeout": {Client: printer{}, From: from, Timeout: -1},
	} {
		if _, err := sesmail.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want a word about %q", c, err, want)
		}
	}
}
