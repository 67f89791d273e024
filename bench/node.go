package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// nodePeers are the contenders on Node. The first is the bare check of Node's cryptography.
var nodePeers = [...]string{"node:crypto", "jose", "fast-jwt", "jsonwebtoken", "aws-jwt-verify"}

// nodeMissing says what is to be done before peers on Node can take part; nil if nothing is.
func nodeMissing() error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("the peers on Node are left out: install node (18 or newer)")
	}
	if _, err := os.Stat("node/node_modules/jose"); err != nil {
		return errors.New("the peers on Node are left out: run (cd node && npm ci) first")
	}
	return nil
}

// startNode starts a peer on Node in a separate process. ok is false if it does not do the algorithm.
func startNode(impl string, m *material) (c contender, ok bool, err error) {
	cmd := exec.Command("node", "peer.mjs", impl)
	cmd.Dir, cmd.Stderr = "node", os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return contender{}, false, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return contender{}, false, err
	}
	if err := cmd.Start(); err != nil {
		return contender{}, false, err
	}
	out := bufio.NewReader(pipe)
	ask := func(question, answer any) error {
		if err := json.NewEncoder(in).Encode(question); err != nil {
			return err
		}
		line, err := out.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("node ended: %w", err)
		}
		return json.Unmarshal(line, answer)
	}
	stop := func() {
		_ = in.Close() // ends its loop
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	first := map[string]any{
		"alg": m.alg, "kid": kid, "issuer": issuer, "audience": audience, "userID": alice.UserID, "token": m.token, "spoilt": m.spoilt(),
	}
	if m.secret != nil {
		first["secret"] = m.secret
	} else if first["pem"], err = m.pem(); err != nil {
		stop()
		return contender{}, false, err
	}
	var ready struct{ Skip bool }
	if err := ask(first, &ready); err != nil || ready.Skip {
		stop()
		return contender{}, false, err
	}
	batch := func(d time.Duration) (int, time.Duration, error) {
		var done struct{ N, NS int64 }
		err := ask(map[string]float64{"ms": float64(d) / float64(time.Millisecond)}, &done)
		return int(done.N), time.Duration(done.NS), err
	}
	// Its compiler needs some time to see what is hot.
	if _, _, err := batch(500 * time.Millisecond); err != nil {
		stop()
		return contender{}, false, err
	}
	return contender{name: impl, batch: batch, close: stop}, true, nil
}

// addNode adds the peers on Node that do the algorithm.
func addNode(all []contender, m *material, names ...string) ([]contender, error) {
	for _, name := range names {
		c, ok, err := startNode(name, m)
		if err != nil {
			return all, fmt.Errorf("%s on Node: %w", name, err)
		}
		if ok {
			all = append(all, c)
		}
	}
	return all, nil
}
