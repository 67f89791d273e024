// Package vectors holds Postern against the test vectors of others: Wycheproof for tokens, keys and signatures, and
// JSONTestSuite for the strict JSON reader. It is all tests. The vectors come as modules and packages of pinned
// version; none is kept here.
package vectors
