package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/store"
)

// A code is spent once: the write that uses it up also creates what it buys, and of two that try only one succeeds.
func Example() {
	ctx := context.Background()
	var s store.Store = &store.Memory{}

	code := store.Key{Part: "code:ada", ID: "1"}
	err := s.Write(ctx, store.Put(store.Item{
		Key:     code,
		Value:   []byte(`"unused"`),
		Expires: time.Now().Add(10 * time.Minute),
	}))
	if err != nil {
		fmt.Println(err)
		return
	}

	items, err := s.Get(ctx, code)
	if err != nil || len(items) == 0 {
		fmt.Println("no such code", err)
		return
	}
	used := items[0]
	used.Value = []byte(`"used"`)
	for _, device := range []string{"phone", "laptop"} {
		err := s.Write(ctx,
			store.Put(used), // only if the code is as it was read
			store.Put(store.Item{Key: store.Key{Part: "session:ada", ID: device}}),
		)
		switch {
		case err == nil:
			fmt.Println(device, "is signed in")
		case errors.Is(err, store.ErrConflict):
			fmt.Println(device, "came too late")
		default:
			fmt.Println(device, "cannot know:", err) // it may have been applied: Get and compare versions
		}
	}

	sessions, _, err := s.List(ctx, "session:ada", "", 10)
	fmt.Println(len(sessions), "session", err)
	// Output:
	// phone is signed in
	// laptop came too late
	// 1 session <nil>
}

// Memory takes its time from a clock of yours, so that a test need not wait.
func ExampleMemory() {
	ctx := context.Background()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &store.Memory{Now: func() time.Time { return now }}

	window := store.Key{Part: "mails:ada", ID: now.Format("2006-01-02T15")}
	for range 2 {
		n, err := s.Add(ctx, window, 1, now.Add(time.Hour))
		fmt.Println(n, err)
	}
	now = now.Add(time.Hour)
	n, err := s.Add(ctx, window, 1, now.Add(time.Hour))
	fmt.Println(n, err)
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 1 <nil>
}

// A caller that moves rows of two Parts asks first whether one Write may do it.
func ExampleWritesTwoParts() {
	s := &store.Memory{}
	fmt.Println(store.WritesTwoParts(s))
	// Output: true
}
