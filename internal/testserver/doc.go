// Package testserver starts the database servers that tests and benchmarks talk to: private ones, on loopback, gone when
// the test is.
package testserver
