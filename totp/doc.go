// Package totp asks for a code of an authenticator app after the first proof of a sign-in (RFC 6238), and has recovery
// codes for people who have lost the app.
//
//	postern.Config{
//		Session:   postern.NewKind(sessions, directory, ...),
//		Providers: map[string]postern.Provider{"password": password.New(password.Config{})},
//		Factors: map[string]postern.Provider{
//			"totp":     totp.New(totp.Config{}),
//			"recovery": totp.Recovery(totp.Config{}),
//		},
//	}
//
// A person has one app. A second one would be a second code that a guess may hit, and the same picture can be read with
// two devices. To change the app, a person removes it and sets up another one.
//
// The codes are those that all apps know: SHA-1, six digits, thirty seconds. The code of now and that before it are
// accepted, each once.
package totp
