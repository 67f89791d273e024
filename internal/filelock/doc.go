// Package filelock excludes other processes of this machine by a lock on a file. The system releases the lock when the
// process ends.
package filelock
