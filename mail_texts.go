package postern

// What the mails of the handler itself say. The deed that sends a mail and the sample of it have the same text.
const (
	forSignUpText  = "Your code for {app}, to create your account:"
	forAddressText = "Your code for {app}, to add this address to your account:"
	forEnrollText  = "Your code for {app}, to set up a second step of the sign-in:"
	forStepUpText  = "Your code for {app}, to confirm that it is you:"

	ignoreCodeText = "If you did not ask for it, you can ignore this mail. Do not give the code to anybody."
	ownCodeText    = "If you did not ask for it, somebody else is signed in to your account: sign in, and end all other sessions. Do not give the code to anybody."

	addedText   = "An address was added to your account at {app}, on behalf of an administrator."
	guessedText = "Somebody signed in to your account at {app} as far as the second step, and was wrong there several times. " +
		"They know your password, or can read your mail."
	linkedText        = "{site} was added to your account at {app}. Everybody who can sign in there can now sign in to your account."
	undoneText        = "A change of the addresses of your account at {app} was undone from the old address. All sessions have ended. Ways to sign in that came after the change are refused."
	stoppedText       = "Somebody opened the link \"This was not me\" in a mail about your account at {app}. All sessions have ended. Ways to sign in that came later are refused."
	unfrozenText      = "All ways to sign in to your account at {app} work again."
	unlinkedText      = "{site} was removed from your account at {app}."
	unlinkedOtherText = "An account at another site was removed from your account at {app}."
)

var (
	noticeChanged = notice{name: "postern.address-changed", subject: "The addresses of your account at {app} were changed",
		text: "The addresses of your account at {app} were changed.", end: endWriteUs}
	noticeRemoved = notice{name: "postern.address-removed", subject: "An address was removed from your account at {app}",
		text: "An address was removed from your account at {app}.", end: endWriteUs}
	noticeDeleted = notice{name: "postern.account-deleted", subject: "Your account at {app} was deleted", text: "Your account at {app} was deleted.", end: endWriteUs, last: true}
	noticeUndone  = notice{name: "postern.address-change-undone", subject: "A change of your account at {app} was undone", text: undoneText, end: endUndoIt, last: true}
	noticeStopped = notice{name: "postern.account-stopped", subject: "Your account at {app} was stopped", text: stoppedText, end: endUndoIt, last: true}
	noticeAdded   = notice{name: "postern.address-added", subject: "An address was added to your account at {app}", text: addedText, end: endUndoIt, byAdmin: true}
	noticeFree    = notice{name: "postern.account-unfrozen", subject: "All ways to sign in to your account at {app} work again", text: unfrozenText, end: endUndoIt}
)

func noticeOfGuess(factor string) notice {
	return notice{name: "postern.factor-guessed", subject: "Wrong codes at the sign-in to your account at {app}", text: guessedText, end: endUndoIt,
		args: map[string]any{"factor": factor}}
}

func noticeOfLink(provider string, site any) notice {
	return notice{name: "postern.identity-linked", subject: "{site} was added to your account at {app}", text: linkedText, end: endUndoIt,
		args: map[string]any{"provider": provider, "site": site}}
}

// noticeOfUnlink is without a provider if nobody here has that issuer any more.
func noticeOfUnlink(provider string, site any) notice {
	text := unlinkedText
	if provider == "" {
		text = unlinkedOtherText
	}
	return notice{name: "postern.identity-unlinked", subject: "An account at another site was removed from your account at {app}", text: text, end: endUndoIt,
		args: map[string]any{"provider": provider, "site": site}}
}

func noticeOfChange(link string) notice {
	return notice{name: "postern.address-change", subject: "Somebody wants to change the addresses of your account at {app}",
		text:   "Somebody who is signed in to your account at {app} asked to change its addresses. To stop it and to end all sessions, open this link:",
		button: "Stop the change", link: link, end: endUndoIt, args: map[string]any{"link": link}}
}

func noticeOfUndo(link string) notice {
	return notice{name: "postern.address-undo", subject: "This address was removed from your account at {app}",
		text: "This address was removed from your account at {app}, or replaced by another. If it was not you, open this link within {life}. " +
			"It ends all sessions of the account, and only ways to sign in from before the change work then.",
		button: "Undo the change", link: link, end: endNothing,
		args: map[string]any{"link": link, "life": undoLife}}
}
