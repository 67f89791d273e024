package store

import "crypto/rand"

// An Op is what a Change does.
type Op uint8

// The operations of a Change.
const (
	OpPut    Op = iota + 1 // write Item, if Expect is the version
	OpDelete               // remove the item, if Expect is the version
	OpCheck                // change nothing, but fail the whole Write unless Expect is the version
)

// A Change is one step of a Write. Put, Delete and Check make them.
type Change struct {
	Op     Op
	Item   Item   // Key for all; Value, Expires and the new Version for OpPut
	Expect string // the version that the item must have; empty: it must be absent
}

// Put writes the item if the store still has the version in it.Version (empty: if the item is absent). Put chooses
// the new version at random: it is Change.Item.Version. A caller that gets no answer can read the item and compare
// versions.
func Put(it Item) Change {
	c := Change{Op: OpPut, Item: it, Expect: it.Version}
	c.Item.Version = rand.Text()
	return c
}

// Delete removes the item if it still has this version. The version must not be empty.
func Delete(k Key, version string) Change {
	return Change{Op: OpDelete, Item: Item{Key: k}, Expect: version}
}

// Check makes a Write fail with ErrConflict unless the item has this version. An empty version means that the item
// must be absent.
func Check(k Key, version string) Change {
	return Change{Op: OpCheck, Item: Item{Key: k}, Expect: version}
}
