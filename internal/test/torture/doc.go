// Package torture holds the tests of sessions against time, accidents and each other, on every store there is: races of
// two processes for one refresh token, histories that must be linearizable, processes and servers killed at any moment,
// and what can be done with a stolen database.
//
// The test binary is its own child processes. The race detector makes them ten times as slow, so that under it the two
// longest tests do a tenth of their rounds; CI runs those two without it as well. POSTERN_TEST_LONG multiplies the
// number of rounds, histories and kills:
//
//	go test ./internal/test/torture                                              # what CI runs
//	POSTERN_TEST_LONG=10 go test -timeout 3h ./internal/test/torture -run TestS6 # ten times as much
package torture
