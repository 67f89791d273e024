// Package hostile holds tokens that want to be believed and must not be, with some that must: a corpus with a fixed
// clock, fixed keys and a verdict for each, so that any verifier can be held against it.
//
//	corpus, err := hostile.Load()
//	for _, c := range corpus.Cases {
//		// at corpus.Time, for corpus.Issuer, corpus.Audience and corpus.Kind
//		accepted := verify(c.Text(), corpus.JWKS[c.Keys])
//		if accepted != c.Accept { ... }
//	}
//
// The corpus is made by the files forge_*_test.go of this package; `go test ./internal/test/hostile -run Committed
// -update` writes it anew. The tests beside it hold Postern against the corpus, against random mutations of good
// tokens, against huge input, and show every kind of value Postern makes to everyone who takes one.
package hostile
