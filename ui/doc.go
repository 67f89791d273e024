// Package ui draws the pages of Postern, from the choice of a provider to the account and the administration, and the
// mails, in the language of the person and in the design of the application:
//
//	pages, err := ui.New(ui.Config{Theme: ui.Theme{Logo: logo, Light: ui.Colors{Accent: "#0b6e4f"}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	auth, err := postern.New(postern.Config{
//		Render:   pages.Render,
//		Assets:   pages,
//		Composer: pages,
//		Mail:     smtp.Send,
//		// ...
//	})
//
// The pages work without JavaScript and load nothing from other sites. The Content-Security-Policy allows the files of
// this package alone: no inline style, no inline script. With JavaScript people can look at a password that they type.
// The pages are light and dark, fit 320 pixels, and follow WCAG 2.2 AA. New refuses colours that are too much alike to
// be read.
//
// Every text can be changed, in every language, by its key: Config.Texts. A page can be replaced by one of the
// application, see [Pages.Translate].
package ui
