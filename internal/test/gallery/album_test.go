package gallery

import (
	"fmt"
	"strings"
)

// albumHead is how docs/pages.md begins.
const albumHead = `# Pages

Every page that Postern shows, in every state, as it is in Chromium: on a phone and on a wide screen, light and dark, and
in Arabic, from right to left; then every mail, and the pages of ` + "`postern dev`" + `. The pictures are made by one command, which goes
to each page as a person does:

` + "```sh\ngo test ./internal/test/gallery -run 'TestTrees|TestPictures' -update\n```" + `

Without ` + "`-update`" + ` the test fails when a page, a text, a mail or the style sheet has changed since its picture was made. The
name of a page is ` + "`Page.Name`, by which a `Render` and a [JSON client](json.md)" + ` know it.

The tests of ` + "`internal/test/journeys`" + ` use the pages in Chromium, from the sign-up to the deletion of the account: with the
mouse, without JavaScript (except passkeys, which need it), and with the keyboard alone. The browser reports no violation
of the Content-Security-Policy and no message, and each stop of Tab is visible and marked.

`

// albumPage is docs/pages.md.
func albumPage(mails []letter) string {
	var b strings.Builder
	b.WriteString(albumHead)
	for _, c := range chapters {
		fmt.Fprintf(&b, "[%s](#%s) ·\n", c.title, strings.ReplaceAll(strings.ToLower(c.title), " ", "-"))
	}
	b.WriteString("[Mails](#mails) ·\n[postern dev](#postern-dev) ·\n[Compared](#compared)\n")
	for _, c := range chapters {
		fmt.Fprintf(&b, "\n## %s\n\n| page | 360 px | 1280 px |\n| --- | --- | --- |\n", c.title)
		for _, s := range c.scenes {
			state := ""
			if s.state != "" {
				state = " (" + strings.ReplaceAll(s.state, "-", " ") + ")"
			}
			fmt.Fprintf(&b, "| `%s`%s<br>%s |", s.page, state, s.when)
			small, large := 160, 360
			if !s.main {
				small, large = 120, 270
			}
			fmt.Fprintf(&b, " %s %s %s |", img(s.name(), "360", small), img(s.name(), "360-dark", small), img(s.name(), "360-rtl", small))
			fmt.Fprintf(&b, " %s %s |\n", img(s.name(), "1280", large), img(s.name(), "1280-dark", large))
		}
	}
	b.WriteString("\n## Mails\n\nThe HTML of each mail, 480 px wide, with the values of the console's preview. Each has the same as plain text, see\n" +
		"[Mails](mails.md). A mail loads nothing.\n\n| | | |\n| --- | --- | --- |\n")
	for i, m := range mails {
		if i%3 == 0 {
			b.WriteString("|")
		}
		fmt.Fprintf(&b, " `%s`<br>%s<br>%s |", m.name, strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(m.subject), img(m.shot.name(), "480", 260))
		if i%3 == 2 || i == len(mails)-1 {
			b.WriteString(strings.Repeat(" |", 2-i%3) + "\n")
		}
	}
	b.WriteString("\nDark, and in Arabic:\n\n")
	for _, m := range mails {
		if m.also() {
			fmt.Fprintf(&b, "%s %s\n", img(m.shot.name(), "480-dark", 260), img(m.shot.name(), "480-rtl", 260))
		}
	}
	b.WriteString("\n## postern dev\n\nThe pages around the handler that `postern dev` serves. They show the times and tokens of the day on which they were made.\n\n" +
		"| page | 360 px | 1280 px |\n| --- | --- | --- |\n")
	for _, stop := range devPictures {
		fmt.Fprintf(&b, "| %s | %s |", stop.when, img(stop.name, stop.frames[0].suffix, 160))
		for _, f := range stop.frames[1:] {
			b.WriteString(" " + img(stop.name, f.suffix, 360))
		}
		b.WriteString(" |\n")
	}
	b.WriteString(albumCompared)
	return b.String()
}

// img is a picture of docs/pages.md. What it shows stands beside it; alt has the page and the way in which it is shown.
func img(name, suffix string, width int) string {
	alt := strings.ReplaceAll(name, "-", " ")
	switch {
	case strings.HasSuffix(suffix, "-dark"):
		alt += ", dark"
	case strings.HasSuffix(suffix, "-rtl"):
		alt += ", in Arabic"
	}
	return fmt.Sprintf(`<img src="images/pages/%s-%s.png" width="%d" alt="%s">`, name, suffix, width, alt)
}

// albumCompared is the end of docs/pages.md.
const albumCompared = `
## Compared

These pages were compared with those of [Clerk](https://clerk.com/docs), [WorkOS AuthKit](https://workos.com/docs/authkit),
[OpenAuth](https://openauth.js.org/docs), [Keycloak](https://www.keycloak.org/documentation) and
[GitHub](https://docs.github.com/authentication). What each shows is from its documentation, in November 2026.

| pattern | there | here |
| --- | --- | --- |
| the way used last is marked | Clerk: a [badge](https://clerk.com/changelog/2025-09-12-last-used-sign-in), on by itself for new applications | "Last used", from a cookie of this browser that has the name of the provider alone |
| the address is asked for first | Keycloak: with its feature Organizations, and the domain of the address can lead to the provider of that organisation | ` + "`Config.IdentifierFirst`" + `: the ways are those of the configuration, the same for every address, and the store is not asked |
| a list of providers, a page for a password, one for a code | OpenAuth: Select, PasswordUI, CodeUI, with texts that can be replaced and colours for light and dark; a theme may add CSS to the page | the same three and the rest of this page; texts by key in sixteen languages; a theme is colours, fonts and pictures, and one whose contrast is too low is refused |
| a passkey is offered after a sign-in by password | WorkOS: [off unless turned on](https://workos.com/docs/authkit/passkeys), again every two weeks, or never again | off unless turned on; "Not now" holds for 180 days in that browser, and works without JavaScript; the session has begun before the page is shown |
| a fresh proof before a change | GitHub: [sudo mode](https://docs.github.com/authentication/keeping-your-account-and-data-secure/sudo-mode), two hours, and each sensitive action begins them again | ten minutes from the proof; what was typed waits for it, and the person presses once more |
| recovery codes | GitHub: sixteen, to download, print or copy, and shown again later in the settings | ten, to download or print, shown once: a person who takes over a session finds no codes to read |
| the account, on one page of the application | Clerk: UserProfile, which its script puts into a page, or a portal on its servers; Keycloak: a console made with [React](https://www.keycloak.org/ui-customization/creating-your-own-console) | pages of your own server, which work without JavaScript, except to make a passkey |
| an administrator acts as a user | WorkOS: [off unless turned on](https://workos.com/docs/authkit/impersonation), with a reason | a scope for it alone, a reason, an hour at most, never as somebody with the same rights or more; the account's pages are closed meanwhile, and the person finds it in the history |

What Clerk has and these pages do not: [several accounts in one browser](https://clerk.com/docs/guides/development/custom-flows/authentication/multi-session-applications) at once.
`
