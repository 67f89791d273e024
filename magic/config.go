package magic

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"
)

// Issuer is the Identity.Issuer of everybody who signs in by mail, whatever the provider is called in the configuration
// and wherever it runs. The Subject beside it is the address: a mailbox is the same mailbox everywhere. No provider that
// is found by URL can have this issuer.
const Issuer = "mailto:"

// ErrUnavailable is for Config.Send to wrap when no mail can be sent to anybody now: the person is told so (503). Every
// other error of Send is logged and not shown, because it could tell whether an address exists.
var ErrUnavailable = errors.New("magic: mail cannot be sent now")

// Config of a provider. Send is required.
type Config struct {
	// Send sends one message. It runs while the person waits, so it should hand the message to a queue or to a mail
	// server close by, and end with ctx. If it looks at who the address belongs to, it should take the same time for
	// everybody. Its errors are logged, and told to nobody unless they match ErrUnavailable: keep the message out of them.
	Send func(ctx context.Context, m Message) error

	// Name of what people sign in to, as mails say it: "Example Shop". Default: the host of the issuer.
	Name string

	// Life of a link and a code, from a minute to ten. Default ten minutes, which is the most (ASVS 6.5.5), and as long
	// as the browser keeps the attempt. No request can change it.
	Life time.Duration

	// Compose writes the message, in words of your own. It fills in Subject, Text and HTML; the rest is set after it.
	// Mail.Claims and Mail.Language come from the request: HTML needs them escaped. Default: Compose of this package.
	Compose func(Mail) Message

	// SameBrowserOnly refuses a link that is opened in another browser than the one that asked for it. Default false:
	// such a link signs in the browser in which it is opened, after a page that says so; unless postern.Config.RequirePKCE
	// is set, since that browser has no application to redeem a code.
	SameBrowserOnly bool

	// PerAddress is how many mails may go to an address in an hour. Browsers that have signed in to it before share two
	// more. Default 3.
	PerAddress int

	// PerClient is how many mails may be asked for in an hour from one client address (IPv6: one /64). Default 20.
	// Raise it if many people share one address, and set postern.Config.TrustedProxies behind a proxy: the address is the
	// proxy's otherwise, and everybody's.
	PerClient int

	// Total is how many mails this provider may send in an hour. Default 0: no limit.
	Total int

	// Rand is where links and codes come from. Default: crypto/rand.
	Rand io.Reader

	// Logger hears of mails that could not be sent. It sees no link, no code and no address in clear. Default: none.
	Logger *slog.Logger
}

// A Message is a mail to send: Text always, HTML perhaps. Link and Code stand in the texts too; they are here for tests
// and for channels with texts of their own.
type Message struct {
	To      string // the canonical address, safe to put into a header
	Subject string // one line
	Text    string
	HTML    string
	Link    string // empty for a provider made by Code
	Code    string // six digits; empty for a provider made by Link
}

// Mail is what there is to say in a message.
type Mail struct {
	To       string            // the canonical address
	Name     string            // Config.Name
	Link     string            // empty for a provider made by Code
	Code     string            // six digits; empty for a provider made by Link
	Life     time.Duration     // of link and code
	Time     time.Time         // of the request, UTC
	Device   string            // guess at the asking browser, in words of this package: "Firefox on Windows", "an unknown browser"
	Language string            // first choice of the asking browser, a language tag such as "de-CH"; empty if it said none
	Claims   map[string]string // what the client asked to carry; not to be trusted
}

const (
	shortestLife = time.Minute
	longestLife  = 10 * time.Minute
)

// withDefaults returns c made whole, and panics where that cannot be: a wrong configuration must not start.
func (c Config) withDefaults() Config {
	if c.Send == nil {
		panic("magic: Config.Send is missing: give a function that sends a mail")
	}
	if c.Life == 0 {
		c.Life = longestLife
	}
	if c.Life < shortestLife || c.Life > longestLife {
		panic("magic: Config.Life is " + c.Life.String() + ": choose from 1m to 10m")
	}
	if c.PerAddress < 0 || c.PerClient < 0 || c.Total < 0 {
		panic("magic: PerAddress, PerClient and Total of Config must not be negative")
	}
	if c.PerAddress == 0 {
		c.PerAddress = 3
	}
	if c.PerClient == 0 {
		c.PerClient = 20
	}
	if c.Compose == nil {
		c.Compose = Compose
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
