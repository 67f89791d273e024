// Package testserver starts the database and mail servers that tests and benchmarks talk to: private ones, on loopback,
// gone when the test is.
package testserver
