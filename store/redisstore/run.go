package redisstore

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// A script is a program that the server runs, known to it by its hash.
type script struct{ text, hash string }

func newScript(text string) *script { return &script{text, redis.NewScript(text).Hash()} }

// A call is one run of a script: first its keys, then its arguments.
type call struct {
	script *script
	keys   int
	args   []any // EVALSHA, hash, number of keys, keys, arguments
}

func (sc *script) call(keys, args int) *call {
	return &call{script: sc, args: make([]any, 3, 3+keys+args)}
}

func (c *call) key(name string) {
	c.args = append(c.args, name)
	c.keys++
}

func (c *call) arg(v any) { c.args = append(c.args, v) }

// once is a command that go-redis sends only once. By itself it sends a command again when a connection breaks, and
// would take the second answer for the answer to the first: its own write would look like another's.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

const (
	tries   = 4 // as go-redis has them
	backoff = 8 * time.Millisecond
	settle  = 3 // the try that lookAgain pauses like: 32 to 64 ms
)

// run runs a script. If the connection breaks, repeat allows it to run again; doubt is then the error of a run that may
// have been carried out before the one that is answered.
func (s *Store) run(ctx context.Context, c *call, repeat bool) (answer any, doubt, err error) {
	c.args[0], c.args[1], c.args[2] = "evalsha", c.script.hash, c.keys
	moved := false
	for try := 1; ; {
		cmd := once{redis.NewCmd(ctx, c.args...)}
		cmd.SetFirstKeyPos(3)
		_ = s.client.Process(ctx, cmd) // the command has the error
		answer, err = cmd.Result()
		var refusal redis.Error
		switch {
		case err == nil:
			return answer, doubt, nil
		case redis.HasErrorPrefix(err, "NOSCRIPT") && c.args[0] == "evalsha":
			c.args[0], c.args[1] = "eval", c.script.text // which makes the server know it from now on
			continue
		case errors.As(err, &refusal):
			// The server says no, and the scripts do nothing then: no doubt comes of it.
			if !passing(err) {
				return nil, doubt, err
			}
		case s.lookAgain(ctx, err) && !moved && pause(ctx, settle): // the script was not sent
			moved = true
			continue
		case broken(err) && repeat:
			doubt = err
		default:
			return nil, doubt, err
		}
		if try == tries || !pause(ctx, try) {
			return nil, doubt, err
		}
		try++
	}
}

// passing reports whether the server will likely accept soon what it refuses now.
func passing(err error) bool {
	return redis.IsLoadingError(err) || redis.IsReadOnlyError(err) || redis.IsClusterDownError(err) ||
		redis.IsMasterDownError(err) || redis.IsTryAgainError(err) || redis.IsMaxClientsError(err)
}

// lookAgain has a cluster client ask which node is master of which slots when a node did not answer: by itself go-redis
// asks once a minute, and a replica takes over in seconds. It reports whether the same command may be sent once more,
// for it was not sent: there was no connection. The answer takes a moment.
func (s *Store) lookAgain(ctx context.Context, err error) bool {
	client, isCluster := s.client.(*redis.ClusterClient)
	var network net.Error
	if !isCluster || !broken(err) && !errors.As(err, &network) {
		return false
	}
	client.ReloadState(ctx)
	return notConnected(err)
}

// read runs a command that may be sent twice.
func (s *Store) read(ctx context.Context, do func() error) error {
	err := do()
	if s.lookAgain(ctx, err) && pause(ctx, settle) {
		err = do()
		s.lookAgain(ctx, err)
	}
	return err
}

// notConnected reports whether there was no connection to send a command on.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// broken reports whether a connection ended before its answer came. A time-out is not among these errors, for a second
// one would make the caller wait too long. Neither is a failure to connect, which go-redis has tried several times by
// then.
func broken(err error) bool {
	if notConnected(err) {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// pause waits before the next try, longer each time, and not in step with others. It reports false when ctx ends first.
func pause(ctx context.Context, try int) bool {
	d := backoff << try
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
