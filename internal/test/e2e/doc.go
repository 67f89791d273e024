// Package e2e drives real programs against Postern: a browser signs in, an OpenID provider that nobody here wrote is
// signed in at, and clients that nobody here wrote verify the tokens. It has tests only.
//
// They need Chromium, Node and npm, and say so when they skip. The packages from npm are pinned in
// testdata/package-lock.json and installed once, into the user's cache folder.
//
// With POSTERN_SCREENSHOTS=DIR the browser tests write what they see there, in light and dark, wide and narrow.
package e2e
