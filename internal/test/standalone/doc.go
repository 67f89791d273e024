// Package standalone runs the real program of `postern serve`: with databases that fail, signals, kills, and nginx in
// front.
package standalone
