package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// mailServer answers EHLO with offers, and takes STARTTLS if they have it.
func mailServer(t *testing.T, greeting string, offers ...string) (addr string, roots *x509.CertPool) {
	t.Helper()
	certified := httptest.NewTLSServer(nil)
	t.Cleanup(certified.Close)
	roots = x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, greeting+"\r\n")
				list := offers
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					switch word, _, _ := strings.Cut(lines.Text(), " "); word {
					case "EHLO":
						fmt.Fprint(conn, "250-mail.example.com\r\n")
						for _, o := range list {
							fmt.Fprintf(conn, "250-%s\r\n", o)
						}
						fmt.Fprint(conn, "250 8BITMIME\r\n")
					case "STARTTLS":
						fmt.Fprint(conn, "220 go\r\n")
						conn = tls.Server(conn, &tls.Config{Certificates: certified.TLS.Certificates})
						lines, list = bufio.NewScanner(conn), offers[1:]
					case "QUIT":
						fmt.Fprint(conn, "221 bye\r\n")
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), roots
}

// TestSurrounding: the mail server, the sender's domain, the providers and the proxies, each with its faults.
func TestSurrounding(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		issuer := "http://" + r.Host
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q}`, issuer, issuer+"/a", issuer+"/t", issuer+"/k")
	}))
	defer provider.Close()
	records := func(all map[string][]string) func(context.Context, string) ([]string, error) {
		return func(_ context.Context, name string) ([]string, error) {
			if all == nil {
				return nil, errors.New("no network")
			}
			if found, ok := all[name]; ok {
				return found, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
	}
	sound := map[string][]string{"mail.example.com": {"v=spf1 include:_spf.example.net -all", "other"}, "_dmarc.example.com": {"v=DMARC1; p=reject"}}
	with := func(name string, texts ...string) map[string][]string {
		all := map[string][]string{}
		for n, v := range sound {
			all[n] = v
		}
		all[name] = texts
		return all
	}
	addr, roots := mailServer(t, "220 ready", "STARTTLS", "AUTH PLAIN")
	noTLS, _ := mailServer(t, "220 ready", "SIZE 1")
	noAuth, noAuthRoots := mailServer(t, "220 ready", "STARTTLS")
	busy, _ := mailServer(t, "421 \x1b[31mtoo busy")
	endless, _ := mailServer(t, strings.Repeat("220-x\r\n", 20_000))
	for name, tc := range map[string]struct {
		s    Surrounding
		want string
	}{
		"sound":             {Surrounding{MailAddr: addr, MailAuth: true, Roots: roots, From: "mail.example.com", LookupTXT: records(sound), Private: true, Proxies: []string{"10.0.0.0/8", "fc00::/7", "203.0.113.0/24"}}, ""},
		"a good provider":   {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: provider.URL}}, Private: true}, ""},
		"not private":       {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: provider.URL}}}, "provider-unreachable"},
		"at an address":     {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: provider.URL, URL: provider.URL + "/x"}}, Private: true}, ""},
		"of another issuer": {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: "https://corp.example", URL: provider.URL + "/x"}}, Private: true}, "provider-unreachable"},
		"nobody at it":      {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: provider.URL, URL: "http://127.0.0.1:1/x"}}, Private: true}, "provider-unreachable"},
		"of a directory":    {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: "https://corp.example", URL: provider.URL, IssuerOK: func(i string) bool { return i == provider.URL }}}, Private: true}, ""},
		"with a slash":      {Surrounding{Providers: map[string]OpenID{"corp": {Issuer: provider.URL + "/"}}, Private: true}, "provider-unreachable"},
		"nobody there":      {Surrounding{MailAddr: "127.0.0.1:1"}, "mail-unreachable"},
		"no port":           {Surrounding{MailAddr: "127.0.0.1"}, "mail-unreachable"},
		"busy":              {Surrounding{MailAddr: busy}, "mail-unreachable"},
		"endless":           {Surrounding{MailAddr: endless}, "mail-unreachable"},
		"no STARTTLS":       {Surrounding{MailAddr: noTLS}, "mail-tls"},
		"allowed plain":     {Surrounding{MailAddr: noTLS, MailPlain: true}, ""},
		"not trusted":       {Surrounding{MailAddr: addr}, "mail-tls"},
		"not TLS at all":    {Surrounding{MailAddr: addr, MailTLS: true, Roots: roots}, "mail-unreachable"},
		"no AUTH":           {Surrounding{MailAddr: noAuth, MailAuth: true, Roots: noAuthRoots}, "mail-auth"},
		"no SPF":            {Surrounding{From: "mail.example.com", LookupTXT: records(with("mail.example.com", "other"))}, "sender-spf"},
		"two SPF":           {Surrounding{From: "mail.example.com", LookupTXT: records(with("mail.example.com", "v=spf1 -all", "v=spf1 ~all"))}, "sender-spf"},
		"SPF for everybody": {Surrounding{From: "mail.example.com", LookupTXT: records(with("mail.example.com", "v=spf1 +all"))}, "sender-spf"},
		"no DMARC":          {Surrounding{From: "mail.example.com", LookupTXT: records(with("_dmarc.example.com"))}, "sender-dmarc"},
		"no DNS":            {Surrounding{From: "mail.example.com", LookupTXT: records(nil)}, ""},
		"every address":     {Surrounding{Proxies: []string{"0.0.0.0/0"}}, "proxies-wide"},
		"every IPv6":        {Surrounding{Proxies: []string{"::/0"}}, "proxies-wide"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Report
			tc.s.Check(t.Context(), &r)
			if got := strings.Join(ids(&r), " "); got != tc.want {
				t.Errorf("found %q, want %q: %+v", got, tc.want, r.Findings)
			}
			for _, f := range r.Findings {
				if strings.Contains(f.Seen, "\x1b") {
					t.Errorf("%q", f.Seen)
				}
			}
		})
	}
}
