package torture

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/posternauth/postern/store"
)

// interrupted is a store that does the next write, loses its answer, and calls then before anybody reads again.
type interrupted struct {
	store.Store
	then atomic.Pointer[func()]
}

func (s *interrupted) Write(ctx context.Context, changes ...store.Change) error {
	then := s.then.Swap(nil)
	err := s.Store.Write(ctx, changes...)
	if then == nil || err != nil {
		return err
	}
	(*then)()
	return errors.New("the line is down")
}

// TestT2_WrittenAndRefused: the store does the write of a refresh and its answer is lost. Before the refresh looks
// again, somebody ends the session, here with the token that this write has made a copy. The refresh is refused,
// although it took effect. The history is right: the session is over for everybody, as in every order of the two. It
// is not right without the write, so the model must know of it.
func TestT2_WrittenAndRefused(t *testing.T) {
	c, st := new(clock), &interrupted{Store: new(store.Memory)}
	c.set(time.Now())
	o, err := newOffice(st, c)
	if err != nil {
		t.Fatal(err)
	}
	made, err := o.create(t.Context(), "somebody")
	if err != nil {
		t.Fatal(err)
	}
	h := &tale{}
	at := int64(0)
	pass := func(d time.Duration) {
		c.add(d)
		h.history = append(h.history, porcupine.Operation{Input: passed{d.Milliseconds()}, Call: at, Return: at + 1})
		at += 2
	}
	refresh := func(n int64, token string) done {
		d := done{Step: step{Do: "refresh", Number: n, Token: token}, Call: at}
		at++
		o.take(d.Step, "somebody", &d)
		d.Return = at
		at++
		return d
	}
	pass(grace91)
	one := refresh(0, made.Refresh)
	h.record(1, one)
	pass(grace91)
	var two done
	copied := func() { two = refresh(1, one.Refresh) }
	st.then.Store(&copied)
	lost := refresh(0, made.Refresh) // its first answer was lost, so it is traded again
	if one.Outcome != "ok" || two.Outcome != "reuse" || lost.Outcome != "reuse" {
		t.Fatalf("the outcomes are %q, %q and %q", one.Outcome, two.Outcome, lost.Outcome)
	}
	h.record(2, two)
	without := tale{history: append(append([]porcupine.Operation(nil), h.history...), porcupine.Operation{
		ClientId: 1, Input: lost.Step, Output: lost, Call: lost.Call, Return: lost.Return,
	})}
	if result, _ := without.verdict(); result != porcupine.Illegal {
		t.Errorf("without the write the history is %s", result)
	}
	lost.Lost = true // as shaky records it
	h.record(1, lost)
	h.mustBeRight(t, 0)
	if n := len(h.history); n != len(without.history)+1 {
		t.Errorf("%d operations", n)
	}
}

// grace91 is longer than an old token is answered without a write.
const grace91 = refreshGrace + clockSkew + time.Second
