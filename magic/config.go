package magic

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"time"
)

// Issuer is the Identity.Issuer of everybody who signs in by mail, whatever the provider is called in the configuration
// and wherever it runs. The Subject beside it is the address: a mailbox is the same mailbox everywhere. No provider
// that is found by URL can have this issuer.
const Issuer = "mailto:"

// Config of a provider. The zero value is ready to use: mails are sent with postern.Config.Mail.
type Config struct {
	// Name is the service that people sign in to, for the mails and pages of this provider, such as "Example Shop".
	//
	// Defaults to postern.Config.Name.
	Name string

	// Life is how long a link and a code work: 1 to 10 minutes. Ten minutes is the most that ASVS 6.5.5 allows, and the
	// browser keeps the attempt no longer. No request can change it.
	//
	// Defaults to 10 minutes.
	Life time.Duration

	// SameBrowserOnly refuses a link that is opened in another browser than the one that asked for it. It protects
	// people who press the button of a link that somebody else asked for, and keeps programs that scan mail and press
	// buttons from being signed in. Then a link that is opened on a phone signs in neither the phone nor the laptop
	// that asked; with Both, its code still signs in the laptop.
	//
	// Without SameBrowserOnly such a link signs in the browser in which it is opened, after a page that says so, and it
	// still works in the browser that asked. Five links of an address can be used that way in 24 hours.
	// postern.Config.RequirePKCE implies SameBrowserOnly, since another browser has no application that could redeem a
	// code.
	//
	// Defaults to false.
	SameBrowserOnly bool

	// PerAddress is how many mails can be sent to an address in an hour. Browsers that have signed in to it before
	// share 3 more. 2 more are kept for browsers that have not asked for it today; one IPv6 /48 or IPv4 /24 gets one
	// of these a day. At the limit people get the same answer and no mail: the page names the mail that they can still
	// use, or when to ask again.
	//
	// Defaults to 3.
	PerAddress int

	// PerClient is how many mails can be asked for in an hour from one client address. An IPv6 client is a /64; its /56
	// has twice and its /48 five times as many, an IPv4 /24 ten times as many. Twice PerClient is how many wrong codes
	// are compared in a day. Raise it if many people share one address, and set postern.Config.TrustedProxies behind a
	// proxy: otherwise the address is the proxy's, and all people share it.
	//
	// Defaults to 20.
	PerClient int

	// Total is how many mails this provider can send in an hour. Browsers that have signed in to an address still get
	// theirs.
	//
	// Defaults to 1,000.
	Total int

	// WrongCodes is how many wrong codes this provider compares in 24 hours before its mails change: those of Both then
	// carry links alone, and those of Code ten digits. They change back when fewer are wrong. The event "codes
	// hardened" is emitted when it begins.
	//
	// Defaults to 1,000.
	WrongCodes int

	// Rand is the source of links and codes.
	//
	// Defaults to crypto/rand.
	Rand io.Reader

	// Logger gets warnings. It gets no link, no code and no address in clear.
	//
	// Defaults to slog.Default(), as Link, Code or Both find it.
	Logger *slog.Logger
}

const (
	shortestLife = time.Minute
	longestLife  = 10 * time.Minute
)

// withDefaults returns c with its defaults. It panics on a wrong configuration, so that the program does not start.
func (c Config) withDefaults() Config {
	if c.Life == 0 {
		c.Life = longestLife
	}
	if c.Life < shortestLife || c.Life > longestLife {
		panic("magic: Config.Life is " + c.Life.String() + ": choose from 1m to 10m")
	}
	if c.PerAddress < 0 || c.PerClient < 0 || c.Total < 0 || c.WrongCodes < 0 {
		panic("magic: PerAddress, PerClient, Total and WrongCodes of Config must not be negative")
	}
	c.PerAddress = cmp.Or(c.PerAddress, 3)
	c.PerClient = cmp.Or(c.PerClient, 20)
	c.Total = cmp.Or(c.Total, 1000)
	c.WrongCodes = cmp.Or(c.WrongCodes, 1000)
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
