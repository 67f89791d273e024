package rotator_test

import (
	"context"
	"fmt"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
)

// A schedule runs this each day: a function, a cron job, or a timer of the program.
func ExampleRun() {
	now := time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now } // in a program: leave Now out
	ctx := context.Background()
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		now = now.Add(15 * 24 * time.Hour)
		report, err := rotator.Run(ctx, rotator.Config{Ring: ring, Now: clock})
		if err != nil {
			fmt.Println(err) // put an alarm on it: the newest key goes on signing meanwhile
			return
		}
		fmt.Println(now.Format(time.DateOnly), "rotated:", report.Rotated, "keys:", report.Keys, "due:", report.Due.Format(time.DateOnly))
	}
	// Output:
	// 2026-01-16 rotated: false keys: 1 due: 2026-01-31
	// 2026-01-31 rotated: true keys: 2 due: 2026-03-02
	// 2026-02-15 rotated: false keys: 1 due: 2026-03-02
}
