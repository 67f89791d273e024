// Package magic signs people in by mail: with a link, with a code of six digits, or with both in one message.
//
//	auth, err := postern.New(postern.Config{
//		...
//		Providers: map[string]postern.Provider{
//			"link": magic.Link(magic.Config{Send: send}),
//		},
//	})
//
// # What a person sees
//
// GET {base}/link/authorize asks for the address. Only the POST of that form sends a mail. The page that follows says to
// look into the mailbox and, for a code, has one input for it.
//
// A link opens a page that says whom it signs in. Only the button on it, a POST, uses the link: programs that scan mail
// fetch links and must not use them up. Where the link is opened in another browser than the one that asked for it, the
// page says so, and its button signs in that browser: never the one that asked, and without what that one asked for
// (where to return to). Config.SameBrowserOnly forbids it.
//
// A code works only in the browser that asked for it. Spaces and dashes in it are ignored.
//
// # What a client without pages does
//
// With Accept: application/json, POST {base}/code/authorize (a form with the field email) answers
//
//	{"status":"sent","state":"..."}
//
// and sets cookies. POST {base}/code/callback with them and the fields state and code ends the sign-in the way OnSuccess
// decides. A refusal is {"error":"invalid_code","error_description":"..."}.
//
// # Refusals
//
// invalid_email, invalid_link, link_used, link_expired, other_browser, invalid_code, code_used, code_expired and
// too_many_tries are 400; rate_limited is 429 with Retry-After; temporarily_unavailable is 503: the store, the keys, or
// mail as such ([ErrUnavailable]). Package postern adds its own, such as invalid_state.
//
// The events besides those of package postern are "mail sent" and "mail failed"; the Reason of "limited" is "mail" or
// "guess". Their Subject is the address, masked.
//
// # What it proves
//
// A finished sign-in proves control of a mailbox and no more. The identity's Issuer is [Issuer], the same for every
// provider of this package, and its Subject the address in canonical form, so that a person who takes the link today and
// the code tomorrow is one person. The method in amr is "link" or "code"; it is not RFC 8176's "otp", which stands for
// a device or a list that the person holds, so that an application can refuse mail where it wants more than mail.
//
// Query parameters of authorize that mean nothing to Postern become Identity.Claims: at most 20, of at most 256 bytes.
// Whoever made the URL chose them. They grant nothing.
//
// # What protects it
//
//   - A link carries 256 random bits, a code is one of a million. The store keeps both only as HMACs under a key that is
//     not in the store, and the address sealed.
//   - Both live for ten minutes at most and work once, whoever races. A new mail kills the one before in the same
//     browser, and at most three are alive for an address.
//   - A code allows five tries, and an address 80 guesses in 24 hours, counted in the store before anything is compared.
//     Browsers that have signed in to the address before share 20 more, so that a stranger who uses up the guesses does
//     not lock the owner out. All guesses of a day together find a code with a probability of 10⁻⁴ at most.
//   - Mails are limited for an address, for a client address and, if wanted, in all.
//   - Nothing that an answer shows depends on whether the address belongs to a user: this package knows no users.
package magic
