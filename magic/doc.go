// Package magic signs people in by mail: with a link, with a code of six digits, or with both in one message.
//
//	auth, err := postern.New(postern.Config{
//		...
//		Mail: send,
//		Providers: map[string]postern.Provider{
//			"link": magic.Link(magic.Config{}),
//		},
//	})
//
// # What a person sees
//
// GET {base}/link/authorize asks for the address. Only the POST of that form sends a mail. The page that follows asks
// the person to look into the mailbox. For a code it has one input.
//
// A link opens a page that names who it signs in. Only the button on it, a POST, uses the link: programs that scan mail
// fetch links and must not use them up. If the link is opened in another browser than the one that asked for it, the
// page says so, and its button signs in that other browser: never the one that asked, and without the return address
// that one asked for. The browser that asked can still sign in after that, by the link or the code, because some
// scanning programs press buttons too. Such a program is signed in by the links that strangers ask for as well: five
// links of an address in 24 hours can be used in other browsers, and after that only where they were asked for.
// Config.SameBrowserOnly forbids the use in another browser.
//
// A code works only in the browser that asked for it. Spaces and dashes in it are ignored.
//
// # What a client without pages does
//
// With Accept: application/json the same steps answer with JSON, and they take JSON in place of forms:
//
//	POST {base}/code/authorize   {"email":"ada@example.com"}       {"redirect_uri":"{base}/code/callback?state=..."}
//	GET  {base}/code/callback?state=...                            {"step":"magic.code","forms":[...],...}
//	POST {base}/code/callback    {"state":"...","code":"012345"}   as OnSuccess decides
//
// A wrong code is answered with the step again, with "error" and "error_description". The steps are magic.ask (for the
// address), magic.sent (a link was sent), magic.code (a code is needed), magic.held (no new mail was sent), magic.link
// (the page of a link), magic.link-elsewhere (in a browser that did not ask for it) and magic.link-used-elsewhere.
//
// # Refusals
//
// invalid_email, invalid_link, link_used, link_expired, other_browser, invalid_code, code_used, code_expired and
// too_many_tries are 400; rate_limited is 429 with Retry-After; temporarily_unavailable is 503: the store, the keys, or
// the mail service ([postern.ErrMailUnavailable]). Package postern adds its own, such as invalid_state.
//
// When as many mails as are allowed were sent to an address, the answer is that of a mail that was sent. The page after
// it names the mail that this browser can still use, or when to ask again. For a code it is code_expired with
// Retry-After.
//
// The events besides those of package postern are "mail sent", "mail failed" and "codes hardened". The Reason of
// "limited" is "mail" (of the address or the client), "total", "guess" or "elsewhere" (links in other browsers). Their
// Subject is the address, masked.
//
// # What it proves
//
// A finished sign-in proves control of a mailbox and no more. The identity's Issuer is [Issuer], the same for every
// provider of this package, and its Subject the address in canonical form, so that a person who takes the link today
// and the code tomorrow is one person. The method in amr is "link" or "code". It is not RFC 8176's "otp", which stands
// for a device or a list that the person holds: an application can refuse mail where it wants more than mail.
//
// Query parameters of authorize without a meaning here become Identity.Params: at most 20, of at most 256 bytes.
// Anybody can write them into a URL. They grant nothing.
//
// # What protects it
//
//   - A link has 256 random bits, a code is one of a million. The store keeps both only as HMACs under a key that is
//     not in the store, and the address sealed.
//   - Both live for ten minutes at most. A mail works once in the browser that asked, and its link once in one other
//     browser, however many requests race. A new mail kills the browser's earlier one, and at most three are alive
//     for an address.
//   - A code allows five tries, and an address 80 wrong codes in 24 hours, counted in the store before anything is
//     compared. Right codes are given back. One IPv6 /48 or IPv4 /24 has 10 of the 80, so that a stranger on one
//     network does not lock out an owner on another. Browsers that have signed in to the address before share 20 more,
//     which strangers cannot use up. A stranger with eight networks can use up the 80: a browser that has never signed
//     in then waits. All guesses of a day together find a code with a probability of 10⁻⁴ at most.
//   - A client address has 40 wrong codes in 24 hours over all addresses, an IPv6 /48 has 200 and an IPv4 /24 400:
//     guessing at many people's codes from one network succeeds with a probability of 4·10⁻⁴ a day at most. After
//     1,000 wrong codes in 24 hours a provider sends links or ten digits.
//   - Mails are limited for an address, for a client address with its networks, and in all. While a stranger on one
//     network uses up the mails of an address, a new browser on another network still gets one a day. A stranger with
//     many networks can prevent that, except for browsers that have signed in to the address before.
//   - No answer depends on whether the address belongs to a user: this package knows no users.
package magic
