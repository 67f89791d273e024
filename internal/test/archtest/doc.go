// Package archtest holds the checks of the repository as a whole: which package may import which, whether the documents
// are true. It is all tests; nothing imports it.
package archtest
