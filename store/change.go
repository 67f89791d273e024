package store

import "crypto/rand"

// An Op is what a Change does.
type Op uint8

// The three things a Change can do.
const (
	OpPut    Op = iota + 1 // write Item, if Expect still stands
	OpDelete               // remove the item, if Expect still stands
	OpCheck                // change nothing, but fail the whole Write unless Expect still stands
)

// A Change is one step of a Write. Put, Delete and Check make them.
type Change struct {
	Op     Op
	Item   Item   // Key for all; Value, Expires and the new Version for OpPut
	Expect string // the version that must stand when the Write happens; empty: the item must be absent
}

// Put writes the item in place of the version it carries (empty: only if the item is absent). The new version is chosen
// here, at random, so that a caller left without an answer can read the item and compare: it is Change.Item.Version.
func Put(it Item) Change {
	c := Change{Op: OpPut, Item: it, Expect: it.Version}
	c.Item.Version = rand.Text()
	return c
}

// Delete removes the item if version, which must not be empty, still stands.
func Delete(k Key, version string) Change {
	return Change{Op: OpDelete, Item: Item{Key: k}, Expect: version}
}

// Check lets the Write it is part of happen only if version still stands; an empty version says the item must be absent.
func Check(k Key, version string) Change {
	return Change{Op: OpCheck, Item: Item{Key: k}, Expect: version}
}
