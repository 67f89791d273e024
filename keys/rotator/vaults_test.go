package rotator_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/internal/test/awsfaults"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
	"github.com/posternauth/postern/keys/smkeys"
	"github.com/posternauth/postern/keys/ssmkeys"
)

// A drill is a ring in a vault of AWS, with three processes: two rotators, and one that signs and verifies.
type drill struct {
	*testing.T
	clock *testclock.Clock
	net   *awsfaults.Transport
	rings []*keys.Ring
	alive []signed // tokens that must verify

	copied keys.Verifier // the keys as a gateway has them
	taken  time.Time

	checks, failed atomic.Int64
}

type signed struct {
	kid string
	sig []byte
	end time.Time
}

var drillMessage = []byte("token")

// step goes on, signs a token in each process, and checks all that are alive in all processes and at the gateway.
func (d *drill) step(after time.Duration) {
	d.Helper()
	d.clock.Advance(after)
	for len(d.alive) > 0 && !d.alive[0].end.After(d.clock.Now()) {
		d.alive = d.alive[1:]
	}
	if d.clock.Now().Sub(d.taken) > 2*time.Hour {
		d.fetch()
	}
	for _, r := range d.rings {
		key, err := r.SigningKey(d.Context(), time.Hour)
		if err != nil {
			d.Fatal(err)
		}
		sig, err := key.Sign(d.Context(), drillMessage)
		if err != nil {
			d.Fatal(err)
		}
		d.alive = append(d.alive, signed{key.Public().ID(), sig, d.clock.Now().Add(time.Hour)})
	}
	var wg sync.WaitGroup
	for _, from := range []keys.Verifier{d.rings[0], d.rings[1], d.rings[2], d.copied} {
		wg.Go(func() {
			for _, tok := range d.alive {
				d.checks.Add(1)
				if _, err := keys.Verify(d.Context(), from, tok.kid, keys.EdDSA, drillMessage, tok.sig); err != nil {
					d.failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
}

// fetch gives the gateway the keys of now.
func (d *drill) fetch() {
	d.Helper()
	public, err := d.rings[2].PublicKeys(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	if d.copied, err = keys.Static(public...); err != nil {
		d.Fatal(err)
	}
	d.taken = d.clock.Now()
}

// rotate runs both rotators at once, and returns how many rotated.
func (d *drill) rotate() (rotated int32) {
	var wg sync.WaitGroup
	var done atomic.Int32
	for _, r := range d.rings[:2] {
		wg.Go(func() {
			report, err := rotator.Run(d.Context(), rotator.Config{Ring: r, Every: 24 * time.Hour, Now: d.clock.Now})
			if err != nil {
				d.Error(err)
			}
			if report.Rotated {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	// The pauses of a throttled reload are real, and the hours of the drill pass within them: wait for its end.
	if _, err := d.rings[2].Keys(d.Context()); err != nil {
		d.Error(err)
	}
	return done.Load()
}

// revoke ends the key that signs: not during an outage, when that is an error and changes nothing, and then everywhere.
func (d *drill) revoke() {
	d.Helper()
	key, err := d.rings[0].SigningKey(d.Context(), time.Hour)
	if err != nil {
		d.Fatal(err)
	}
	kid := key.Public().ID()
	d.net.SetDown(true)
	if err := d.rings[0].Revoke(d.Context(), kid); !errors.Is(err, keys.ErrUnavailable) {
		d.Errorf("a revocation during an outage: %v", err)
	}
	d.step(10 * time.Minute) // tokens of the key among them
	d.net.SetDown(false)
	if err := d.rings[0].Revoke(d.Context(), kid); err != nil {
		d.Fatal(err)
	}
	d.clock.Advance(5 * time.Minute)
	for i, r := range d.rings {
		// A process waits half a second for a reload, which may take longer on a busy machine.
		_, err := r.PublicKey(d.Context(), kid)
		for tries := 0; err == nil && tries < 100; tries++ {
			time.Sleep(50 * time.Millisecond)
			_, err = r.PublicKey(d.Context(), kid)
		}
		if !errors.Is(err, keys.ErrUnknownKey) {
			d.Errorf("process %d has the revoked key: %v", i, err)
		}
	}
	var others []signed
	for _, tok := range d.alive {
		if tok.kid != kid {
			others = append(others, tok)
		}
	}
	d.alive = others
	d.fetch()
}

// TestK1_VaultsOfAWS: days of rotations by two rotators at once, over SSM and over Secrets Manager. They throttle, lose
// answers, and are down while a new key takes over. One of the two rotates, and every token verifies until it ends.
func TestK1_VaultsOfAWS(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, c aws.Config, now func() time.Time) (keys.Vault, error){
		"ssm": func(_ *testing.T, c aws.Config, now func() time.Time) (keys.Vault, error) {
			return ssmkeys.New(ssmkeys.Config{Client: ssm.NewFromConfig(c), Path: "/shop/prod/auth/keys", Sealer: keys.MasterKey(bytes.Repeat([]byte{7}, 32)), Now: now})
		},
		"secrets manager": func(_ *testing.T, c aws.Config, _ func() time.Time) (keys.Vault, error) {
			c.RetryMaxAttempts = 6
			c.Retryer = func() aws.Retryer { // that of the SDK, with shorter pauses: hours of an outage are seconds here
				return retry.NewStandard(func(o *retry.StandardOptions) {
					o.MaxBackoff, o.RateLimiter = 20*time.Millisecond, ratelimit.None
				})
			}
			return smkeys.New(smkeys.Config{Client: secretsmanager.NewFromConfig(c), Name: "shop/prod/auth/keys"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &drill{T: t, clock: testclock.New(time.Now()), net: &awsfaults.Transport{}}
			c := d.net.Config(testserver.Moto(t).URL())
			vault := func() keys.Vault {
				v, err := open(t, c, d.clock.Now)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			if _, _, err := vault().Load(context.Background()); err != nil { // moto loads a service at its first call
				t.Fatal(err)
			}
			for range 3 {
				ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: vault(), Algorithm: keys.EdDSA, Now: d.clock.Now, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				d.rings = append(d.rings, ring)
			}
			rotations := int32(0)
			for day := range 4 {
				d.net.Fail("", "ThrottlingException", 5)
				if day == 3 {
					d.net.Lose("PutParameter", 1)
					d.net.Lose("UpdateSecretVersionStage", 1)
				}
				d.fetch() // before there is the new key
				n := d.rotate()
				if n > 1 {
					t.Fatalf("both rotators rotated on day %d", day)
				}
				rotations += n
				d.step(0)
				d.step(30 * time.Minute)
				d.step(2*time.Hour + 20*time.Minute)
				d.net.SetDown(true) // while the new key takes over
				d.step(20 * time.Minute)
				d.step(40 * time.Minute)
				d.net.SetDown(false)
				d.step(20 * time.Minute)
				d.step(2 * time.Hour) // the key before has retired
				if day == 1 {
					d.revoke()
					d.step(time.Minute)
				}
				d.clock.Advance(18 * time.Hour)
			}
			// On the second and the fourth day: the revocation of the second made a key, too.
			if d.failed.Load() != 0 || d.checks.Load() < 500 || rotations != 2 {
				t.Errorf("%d of %d checks failed, %d rotations", d.failed.Load(), d.checks.Load(), rotations)
			}
			if d.net.Calls("PutParameter")+d.net.Calls("PutSecretValue") < 4 {
				t.Error("the vault was hardly written")
			}
			t.Logf("%d checks", d.checks.Load())
		})
	}
}
