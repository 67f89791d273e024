// Package gallery has a list of every page that Postern shows, in each of its states. Each is reached through the real
// handler by requests, as a person reaches it, and is then looked at in Chromium: axe-core, the rules of the
// Content-Security-Policy, narrow windows, large and spaced text, what screen readers get. It has tests only.
//
// The pictures of docs/images/pages and the list in docs/pages.md come from it, by one command:
//
//	go test ./internal/test/gallery -run 'TestTrees|TestPictures' -update
//
// TestM14_EveryForm needs no browser: it posts the forms of all these pages in every way in which they must do nothing.
// A new scene is swept as it is. If a form has a field that the sweep cannot fill in, the test says that the step is
// not taken: then step.value needs the field.
//
// The browser tests need Chromium, Node and npm, and say so when they skip. The packages from npm are pinned in
// testdata/package-lock.json and installed once, into the user's cache folder.
package gallery
