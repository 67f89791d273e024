package keys

import "time"

// SecretLifetime returns for how long the ring keeps a master secret after another one took over: at least
// RingConfig.SecretLifetime, and more if another process opened the ring with a larger value.
func (r *Ring) SecretLifetime() time.Duration { return r.cur.Load().secretLifetime() }

// secretLifetime returns the Longest of a new secret. It is never shorter than that of the secrets before it: another
// process, such as a command that rotates, may have a smaller RingConfig.SecretLifetime than the program that serves.
func (d *document) secretLifetime(configured time.Duration) time.Duration {
	for _, e := range d.Secrets {
		configured = max(configured, e.Longest)
	}
	return configured
}
