package keys_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// TestT4_StoreVaultKilled: three processes rotate and revoke in one ring without end, and are killed at any moment,
// over and over. No key that was acknowledged is lost, no revocation is taken back, and the ring always opens.
func TestT4_StoreVaultKilled(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("POSTERN_TEST_LONG")); err == nil {
		rounds *= n
	}
	for _, engine := range []string{"sqlite", "postgres", "redis", "dynamodb"} {
		t.Run(engine, func(t *testing.T) {
			place := engines[engine](t)
			st, done, err := openEngine(t.Context(), place)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			acknowledged := 0
			for round := range rounds {
				v := keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: fmt.Sprint("round ", round)}
				acknowledged += killRound(t, place, v, round)
				if t.Failed() {
					return
				}
			}
			t.Logf("%d rounds of three processes that were killed, %d acknowledged changes, nothing lost", rounds, acknowledged)
		})
	}
}

// killRound starts three processes on one empty vault, kills each at another moment, and compares what is left with
// what they printed. It returns how many changes they had acknowledged.
func killRound(t *testing.T, place string, v keys.StoreVault, round int) (acknowledged int) {
	t.Helper()
	const processes = 3
	outs := make([]io.Reader, processes)
	cmds := make([]*exec.Cmd, processes)
	for i := range cmds {
		cmds[i] = child(t, childRotate, "")
		cmds[i].Env = append(cmds[i].Env, placeEnv+"="+place, nameEnv+"="+v.Name)
		out, err := cmds[i].StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmds[i].Stderr = os.Stderr
		outs[i] = out
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	known, revoked, rotations := map[string]bool{}, map[string]bool{}, 0
	for i, cmd := range cmds {
		lines := bufio.NewScanner(outs[i])
		note := func() bool {
			if !lines.Scan() {
				return false
			}
			line, whole := strings.CutSuffix(lines.Text(), " "+lineEnd)
			what, list, _ := strings.Cut(line, " ")
			if !whole && what != "error:" { // it was killed while it printed
				return false
			}
			switch what {
			case "rotated":
				rotations++
				for _, id := range strings.Fields(list) {
					known[id] = true
				}
			case "revoked":
				revoked[list] = true
			default:
				t.Errorf("process %d: %s", i, lines.Text())
			}
			acknowledged++
			return true
		}
		for range 3 + (round*5+i*7)%11 { // a different number of changes each time, and then whatever the process is at
			if !note() {
				t.Fatalf("process %d ended by itself: %v", i, lines.Err())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for note() { // what it had written to the pipe was acknowledged as well
		}
		_ = cmd.Wait() // the error says that it was killed
	}
	ring := openRing(t, v)
	list, err := ring.Keys(t.Context())
	if err != nil {
		t.Fatalf("after the kills the ring does not open: %v", err)
	}
	for _, k := range list {
		if revoked[k.ID] && k.State != keys.StateRevoked {
			t.Errorf("key %s was revoked and is %s", k.ID, k.State)
		}
		delete(known, k.ID)
	}
	if len(known) > 0 || len(list) < 1+rotations {
		t.Errorf("%d keys are lost; the ring has %d, and %d rotations were acknowledged", len(known), len(list), rotations)
	}
	if key := signingKey(t, ring, 0); key == nil {
		t.Error("no key signs")
	}
	return acknowledged
}

// lineEnd is the last word of a whole line.
const lineEnd = "."

// rotateUntilKilled rotates, and prints the keys that the ring has then. Each third time it revokes the key that it saw
// last.
func rotateUntilKilled() error {
	ctx := context.Background()
	st, _, err := openEngine(ctx, os.Getenv(placeEnv))
	if err != nil {
		return err
	}
	ring, err := keys.Open(ctx, keys.RingConfig{
		Vault: keys.StoreVault{Store: st, Sealer: keys.MasterKey(vaultKey), Name: os.Getenv(nameEnv)}, Algorithm: keys.ES256, Logger: silent,
	})
	for n := 1; err == nil; n++ {
		var list []keys.KeyInfo
		if err = ring.Rotate(ctx); err != nil {
			return err
		}
		if list, err = ring.Keys(ctx); err != nil {
			return err
		}
		ids := make([]string, len(list))
		for i, k := range list {
			ids[i] = k.ID
		}
		fmt.Println("rotated", strings.Join(ids, " "), lineEnd)
		if n%3 == 0 {
			last := list[len(list)-1].ID
			if err = ring.Revoke(ctx, last); err == nil {
				fmt.Println("revoked", last, lineEnd)
			}
		}
		if n == 40 { // an item has room for some 300 keys of three processes
			select {}
		}
	}
	return err
}
