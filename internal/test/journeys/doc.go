// Package journeys uses the pages as people do, in Chromium, from the sign-up to the deletion of the account: with the
// mouse, without JavaScript, and with the keyboard alone. Each journey is written once; package ui draws the pages, and
// the mails are opened in the browser too. It has tests only.
//
// In each journey the browser reports nothing: no violation of the Content-Security-Policy, no message on the console,
// no request to another site. With the keyboard, each stop of Tab must be visible, in the window, free of anything
// above it, marked as the one that has the focus, and in the order of the document.
//
// TestX7_HostileTexts lets people, administrators and a provider write texts that try to run a script, and opens every
// page and mail that shows them.
package journeys
