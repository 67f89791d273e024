package postern

import "strings"

// eventTexts are the events of a history for people, by HistoryEntry.Event. Both the owner of the account and an
// administrator read them.
var eventTexts = map[string]string{
	"sign-in":                  "Sign-in",
	"user_created":             "The account was created",
	"step-up":                  "The sign-in was confirmed again",
	"identity_linked":          "A way to sign in was added",
	"identity_unlinked":        "A way to sign in was removed",
	"account_changed":          "The profile was changed",
	"account_exported":         "The data of the account were downloaded",
	"address_change_begun":     "A change of the addresses was begun",
	"address_changed":          "The addresses were changed",
	"address_removed":          "An address was removed",
	"address_change_stopped":   "A change of the addresses was stopped",
	"address_change_undone":    "A change of the addresses was undone",
	"address_confirmed":        "An address was verified",
	"account_frozen":           "Everything was stopped by a link in a mail",
	"account_unfrozen":         "All ways to sign in work again",
	"impersonation_begun":      "An administrator began to act in this account",
	"impersonation_ended":      "An administrator stopped acting in this account",
	"password_set":             "A password was set",
	"password_changed":         "The password was changed",
	"password_reset":           "The password was reset",
	"password_removed":         "The password was removed",
	"password_unlocked":        "The password works again",
	"password_change_demanded": "An administrator asked for a new password",
	"factors_reset":            "The second factors were removed",
	"factor_guessed":           "Too many wrong codes were entered",
	"passkey_added":            "A passkey was added",
	"passkey_asked":            "The passkey is asked for at each sign-in",
	"passkey_not_asked":        "The passkey is not asked for at each sign-in any more",
	"passkey_renamed":          "A passkey was renamed",
	"passkey_removed":          "A passkey was removed",
	"passkeys_removed":         "All passkeys were removed",
	"passkey_cloned":           "A passkey was used that may be a copy",
	"totp_added":               "An authenticator app was added",
	"totp_removed":             "The authenticator app was removed",
	"recovery_codes_made":      "New recovery codes were made",
	"recovery_code_used":       "A recovery code was used",
	"browser_remembered":       "A browser was remembered",
	"browser_forgotten":        "A browser was forgotten",
}

// Text is the event for people, as [Line.Value]. An event of a provider of the application is its name.
func (e HistoryEntry) Text() any {
	if eventTexts[e.Event] != "" {
		return Phrase(eventTexts[e.Event])
	}
	return strings.ReplaceAll(e.Event, "_", " ")
}
