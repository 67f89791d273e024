package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/devpage"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/ui"
)

// newPages makes the pages of the handler, in the neutral design and with the arch of a postern.
func newPages() (*ui.Pages, error) {
	return ui.New(ui.Config{Theme: ui.Theme{Logo: devpage.Arch("#1f4fd1"), LogoDark: devpage.Arch("#8db0ff"), Favicon: devpage.Arch("#4f7fe8")}})
}

// idpClient and idpSecret are of the demo at the stand-ins.
const idpClient, idpSecret = "demo", "not-a-secret: the provider is on this machine"

// standInsOf makes the Google and the GitHub of the demo.
func standInsOf(url string, now func() time.Time) (map[string]*fakeidp.IdP, error) {
	all := map[string]*fakeidp.IdP{}
	for name, label := range map[string]string{"google": "Google", "github": "GitHub"} {
		idp, err := fakeidp.New(fakeidp.Config{
			Issuer: url + "/idp/" + name, Name: label, Now: now,
			Clients: []fakeidp.Client{{ID: idpClient, Secret: idpSecret, Name: appName, RedirectURIs: []string{url + "/auth/" + name + "/callback"}}},
		})
		if err != nil {
			return nil, err
		}
		all[name] = idp
	}
	return all, nil
}

// signIn is the configuration of the demo: every way in that Postern has, open to everybody. The administration has its
// own kind of session, as programs should do.
func (d *devHouse) signIn(sessions *session.Sessions, kind, staff *postern.Kind[person], idps map[string]*fakeidp.IdP,
	mail func(context.Context, postern.Mail) error, pages *ui.Pages, url string, logger *slog.Logger, has authSettings, demand func() bool) postern.Config {
	google, github := idps["google"].Issuer(), idps["github"].Issuer()
	return postern.Config{
		Name:      appName,
		Sessions:  sessions,
		Session:   kind,
		Admin:     d.dir.Admin(staff),
		Admit:     postern.Open,
		Usernames: true,
		Redirects: []string{url + "/"},
		Mail:      mail,
		Composer:  pages,
		Render:    pages.Render,
		Assets:    pages,
		Providers: map[string]postern.Provider{
			"google": oidc.Google(oidc.Config{
				Issuer: google, ClientID: idpClient, ClientSecret: idpSecret, AllowInsecure: true, Logger: logger,
			}),
			"github": oauth.GitHub(oauth.Config{
				Issuer: github, Endpoint: oauth.Endpoint{UserInfoURL: github + "/api/user"},
				ClientID: idpClient, ClientSecret: idpSecret, AllowInsecure: true,
			}),
			"password": password.New(password.Config{Hasher: d.hasher}),
			"passkey":  passkey.New(passkey.Config{Offer: has.offer()}),
			"link":     magic.Link(magic.Config{Logger: logger}),
			"code":     magic.Code(magic.Config{Logger: logger}),
			"both":     magic.Both(magic.Config{Logger: logger}),
		},
		Order:   []string{"google", "github", "password", "passkey", "link", "code", "both"},
		Labels:  map[string]string{"github": "GitHub"},
		Factors: map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})},
		Logger:  logger,

		IdentifierFirst: has.first(),
		RequireFactor: func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return postern.Requirement{Factor: demand()}, nil
		},
	}
}
