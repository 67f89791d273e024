package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/fetch"
)

// A Surrounding is what a configuration needs from others: the mail server, the records of the sender's domain, the
// providers. Nothing is sent to anybody.
type Surrounding struct {
	// MailAddr is HOST:PORT of the mail server; empty: none is looked at. MailTLS: TLS from the beginning. MailAuth:
	// the program signs in there. MailPlain: the configuration allows a server without TLS.
	MailAddr                     string
	MailTLS, MailAuth, MailPlain bool

	// From is the domain of the sender; empty: none is looked at.
	From string

	// Providers are the OpenID providers by name.
	Providers map[string]OpenID

	// Private lets the calls go to this machine and to private networks.
	Private bool

	// Proxies are the networks of trusted proxies.
	Proxies []string

	// LookupTXT reads the records of a name.
	//
	// Defaults to that of net.DefaultResolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)

	// Roots are the certificates to trust.
	//
	// Defaults to those of the system.
	Roots *x509.CertPool
}

// An OpenID is a provider whose metadata are read.
type OpenID struct {
	Issuer string

	// URL is the address of its metadata.
	//
	// Defaults to that of the issuer.
	URL string

	// IssuerOK reports whether the metadata may name an issuer.
	//
	// Defaults to Issuer alone.
	IssuerOK func(string) bool
}

// Check adds the findings to a report.
func (s Surrounding) Check(ctx context.Context, to *Report) {
	ctx, cancel := context.WithTimeout(ctx, totalMax)
	defer cancel()
	s.proxies(to)
	if s.MailAddr != "" {
		s.mail(ctx, to)
	}
	if s.From != "" {
		s.sender(ctx, to)
	}
	s.providers(ctx, to)
}

// proxies reports a network that has everybody in it.
func (s Surrounding) proxies(to *Report) {
	to.Ran("proxies-wide")
	for _, network := range s.Proxies {
		if p, err := netip.ParsePrefix(network); err == nil && !p.Addr().IsPrivate() && (p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 16) {
			to.find("proxies-wide", "server.trusted_proxies", "%s", network)
		}
	}
}

// mail connects to the mail server, reads what it offers and leaves.
func (s Surrounding) mail(ctx context.Context, to *Report) {
	to.Ran("mail-unreachable", "mail-tls", "mail-auth")
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	host, _, err := net.SplitHostPort(s.MailAddr)
	if err != nil {
		to.find("mail-unreachable", s.MailAddr, "it is not HOST:PORT")
		return
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", s.MailAddr)
	if err != nil {
		to.find("mail-unreachable", s.MailAddr, "%v", err)
		return
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(callTimeout)) // a deadline that cannot be set ends no check
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: s.Roots}
	conn := raw
	if s.MailTLS {
		conn = tls.Client(raw, secure)
	}
	session := newSMTP(conn)
	if _, err := session.answer(220); err != nil {
		to.find("mail-unreachable", s.MailAddr, "%v", err)
		return
	}
	offers, err := session.ask("EHLO localhost", 250)
	if err != nil {
		to.find("mail-unreachable", s.MailAddr, "EHLO: %v", err)
		return
	}
	if !s.MailTLS {
		switch {
		case !offered(offers, "STARTTLS") && s.MailPlain:
		case !offered(offers, "STARTTLS"):
			to.find("mail-tls", s.MailAddr, "it does not offer STARTTLS")
			return
		default:
			if _, err := session.ask("STARTTLS", 220); err != nil {
				to.find("mail-tls", s.MailAddr, "STARTTLS: %v", err)
				return
			}
			session = newSMTP(tls.Client(raw, secure))
			if offers, err = session.ask("EHLO localhost", 250); err != nil {
				to.find("mail-tls", s.MailAddr, "after STARTTLS: %v", err)
				return
			}
		}
	}
	if s.MailAuth && !offered(offers, "AUTH") {
		to.find("mail-auth", s.MailAddr, "it does not offer AUTH")
	}
	_, _ = session.ask("QUIT", 221) // it is closed anyway
}

// smtp is the little of RFC 5321 that shows what a server offers.
type smtp struct {
	conn net.Conn
	text *textproto.Reader
}

func newSMTP(conn net.Conn) *smtp {
	return &smtp{conn, textproto.NewReader(bounded(conn))}
}

func (s *smtp) answer(code int) (string, error) {
	_, message, err := s.text.ReadResponse(code)
	return message, err
}

func (s *smtp) ask(line string, code int) (string, error) {
	if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
		return "", err
	}
	return s.answer(code)
}

// offered reports whether an answer to EHLO has a keyword.
func offered(answer, keyword string) bool {
	return slices.ContainsFunc(strings.Split(answer, "\n"), func(line string) bool {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		return strings.EqualFold(word, keyword)
	})
}

// sender looks at the records of the domain. DKIM (RFC 6376) is not looked at: only the mail server has the selector.
func (s Surrounding) sender(ctx context.Context, to *Report) {
	lookup := s.LookupTXT
	if lookup == nil {
		lookup = net.DefaultResolver.LookupTXT
	}
	record := func(name, version string) (found []string, ok bool) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		all, err := lookup(ctx, name)
		var missing *net.DNSError
		if err != nil && !(errors.As(err, &missing) && missing.IsNotFound) {
			return nil, false // no answer says nothing about the domain
		}
		for _, text := range all {
			if word, _, _ := strings.Cut(strings.TrimSpace(text), " "); strings.EqualFold(strings.TrimSuffix(word, ";"), version) {
				found = append(found, text)
			}
		}
		return found, true
	}
	if found, ok := record(s.From, "v=spf1"); ok {
		to.Ran("sender-spf")
		switch {
		case len(found) != 1:
			to.find("sender-spf", s.From, "%d SPF records, want one", len(found))
		case strings.Contains(found[0], "+all") || strings.HasSuffix(strings.TrimSpace(found[0]), " all"):
			to.find("sender-spf", s.From, "%s: everybody may send for the domain", found[0])
		}
	}
	// RFC 7489 section 6.6.3: a domain without a record has that of the organisation above it.
	for name := s.From; ; {
		found, ok := record("_dmarc."+name, "v=DMARC1")
		if !ok {
			return
		}
		_, parent, below := strings.Cut(name, ".")
		if len(found) == 0 && below && strings.Contains(parent, ".") {
			name = parent
			continue
		}
		to.Ran("sender-dmarc")
		if len(found) != 1 {
			to.find("sender-dmarc", s.From, "%d DMARC records, want one", len(found))
		}
		return
	}
}

// providers reads the metadata of each OpenID provider, as the program will.
func (s Surrounding) providers(ctx context.Context, to *Report) {
	for name, p := range s.Providers {
		to.Ran("provider-unreachable")
		options := fetch.Options{AllowLoopback: s.Private, AllowPrivate: s.Private, Timeout: callTimeout}
		if s.Roots != nil {
			own := fetch.Transport(options)
			own.TLSClientConfig.RootCAs = s.Roots
			options.HTTPClient = clientOver(own)
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		source := discovery.New(discovery.Config{Issuer: p.Issuer, URL: p.URL, IssuerOK: p.IssuerOK, Client: fetch.Client(options), AllowLoopback: s.Private})
		if _, err := source.Get(ctx, time.Now()); err != nil {
			to.find("provider-unreachable", "providers."+name, "%v", err)
		}
		cancel()
	}
}
