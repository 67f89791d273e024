package main

import (
	"fmt"

	"github.com/posternauth/postern/keys"
)

// verify measures what it takes to check a token and read it into typed values.
func verify(o options) ([]result, error) {
	return each(o, "verify", func(m *material) ([]contender, error) {
		check, err := bareVerify(m)
		if err != nil {
			return nil, err
		}
		all, err := addVerify(nil, m, peer{name: bare, verify: check})
		if err != nil {
			return nil, err
		}
		for _, newPeer := range goPeers() {
			p, err := newPeer(m)
			if err != nil {
				return nil, err
			}
			if all, err = addVerify(all, m, p); err != nil {
				return nil, err
			}
		}
		if !o.node {
			return all, nil
		}
		return addNode(all, m, nodePeers[:]...)
	})
}

// addVerify adds a peer after proving that it takes the token and refuses it with another signature: one that did not
// check would win.
func addVerify(all []contender, m *material, p peer) ([]contender, error) {
	if p.verify == nil {
		return all, nil
	}
	if err := p.verify(m.token); err != nil {
		return all, fmt.Errorf("%s refuses a good %s token: %w", p.name, m.alg, err)
	}
	if p.verify(m.spoilt()) == nil {
		return all, fmt.Errorf("%s takes a %s token with another signature", p.name, m.alg)
	}
	_ = p.verify(m.token) // what it keeps is of the good one again
	return append(all, contender{name: p.name, op: func() error { return p.verify(m.token) }}), nil
}

// sign measures what it takes to make a token: for ours the whole of a new session, with its identifiers.
func sign(o options) ([]result, error) {
	o.node = false
	return each(o, "sign", func(m *material) ([]contender, error) {
		makeBare, err := bareSign(m)
		if err != nil {
			return nil, err
		}
		peers := []peer{{name: bare, sign: makeBare}}
		for _, newPeer := range []func(*material) (peer, error){ours, golangJWT, goJOSE, jwxPeer, kataras} {
			p, err := newPeer(m)
			if err != nil {
				return nil, err
			}
			peers = append(peers, p)
		}
		var all []contender
		for _, p := range peers {
			token, err := p.sign()
			if err != nil {
				return nil, fmt.Errorf("%s does not sign %s: %w", p.name, m.alg, err)
			}
			if err := checkSigned(m, token); p.name != bare && err != nil {
				return nil, fmt.Errorf("%s signs %s wrongly: %w", p.name, m.alg, err)
			}
			all = append(all, contender{name: p.name, op: func() error { _, err := p.sign(); return err }})
		}
		return all, nil
	})
}

func checkSigned(m *material, token string) error {
	other := *m
	other.token = token
	check, err := bareVerify(&other)
	if err != nil {
		return err
	}
	return check(token)
}

// each measures one algorithm after the other.
func each(o options, bench string, contenders func(*material) ([]contender, error)) ([]result, error) {
	if err := nodeMissing(); o.node && err != nil {
		o.note("%v", err)
		o.node = false
	}
	var out []result
	for _, alg := range o.algs {
		m, err := newMaterial(alg)
		if err != nil {
			return nil, err
		}
		all, err := contenders(m)
		if err != nil {
			for _, c := range all {
				if c.close != nil {
					c.close()
				}
			}
			return nil, err
		}
		results, err := measure(bench, string(alg), o.effort, all)
		if err != nil {
			return nil, err
		}
		out = append(out, results...)
	}
	return out, nil
}

// byAlgorithm cuts results, which come algorithm by algorithm, into groups.
func byAlgorithm(results []result) (groups [][]result) {
	for len(results) > 0 {
		n := 1
		for n < len(results) && results[n].Alg == results[0].Alg {
			n++
		}
		groups, results = append(groups, results[:n]), results[n:]
	}
	return groups
}

func contains(list []keys.Algorithm, alg keys.Algorithm) bool {
	for _, a := range list {
		if a == alg {
			return true
		}
	}
	return false
}
