package totp

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/text"
)

// Config configures the factors of this package. The zero value works.
type Config struct {
	// Name is what authenticator apps show as the name of the application: one line of at most 64 characters.
	//
	// Defaults to postern.Config.Name.
	Name string
}

func (c Config) check() error {
	if !utf8.ValidString(c.Name) || text.HasControl(c.Name) || utf8.RuneCountInString(c.Name) > maxLabel {
		return errors.New("totp: Config.Name: write one line of at most 64 characters")
	}
	return nil
}

// New returns the factor of authenticator apps, for postern.Config.Factors.
func New(c Config) postern.Provider { return &provider{config: c} }

// Recovery returns the factor of recovery codes, for postern.Config.Factors beside that of New. A person gets ten
// codes, each of which works once in place of another factor. They make no factor due.
func Recovery(c Config) postern.Provider { return &provider{config: c, recovery: true} }

type provider struct {
	config   Config
	recovery bool
}

// Check reports a mistake of the configuration.
func (p *provider) Check() error { return p.config.check() }

// Users makes postern.New require postern.Config.Session.
func (p *provider) Users() bool { return true }

// Handler serves the steps of the factor.
func (p *provider) Handler(f *postern.Flow) http.Handler {
	name := f.Name()
	k := keeper{flow: f, name: name[strings.LastIndexByte(name, '/')+1:], app: p.config.Name}
	if k.app == "" {
		k.app = f.AppName()
	}
	if p.recovery {
		return newRecovery(k)
	}
	return newApp(k)
}
