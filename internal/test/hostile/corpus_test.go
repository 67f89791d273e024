package hostile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/corpus.json anew")

// forgeCorpus makes the whole corpus.
func forgeCorpus(t testing.TB) *Corpus {
	t.Helper()
	f := newForge(t)
	f.algNone()
	f.algConfusion()
	f.keyInjection("https://attacker.example/jwks.json")
	f.kid()
	f.crit()
	f.nested()
	f.duplicates()
	f.encoding()
	f.signatures()
	f.strictJSON()
	f.times()
	f.numbers()
	f.issuers()
	f.audiences()
	f.kinds()
	f.dos()
	// Some cases come from maps: their order is made the same every time.
	order := map[string]int{}
	for _, c := range f.cases {
		if _, ok := order[c.Group]; !ok {
			order[c.Group] = len(order)
		}
	}
	slices.SortFunc(f.cases, func(a, b Case) int {
		return cmp.Or(cmp.Compare(order[a.Group], order[b.Group]), cmp.Compare(a.Name, b.Name))
	})
	return &Corpus{
		Comment: "Made by go test ./internal/test/hostile -run Committed -update. The keys are test keys, known to everybody.",
		Time:    now, Leeway: leeway.String(), Issuer: issuer, Audience: audience, Type: "at+jwt", Kind: kind, Access: access.String(),
		JWKS: f.jwks(), Shared: shared, Cases: f.cases,
	}
}

// encode writes a corpus with one case a line, so that a change of one is a change of one line.
func encode(t testing.TB, c *Corpus) []byte {
	t.Helper()
	line := func(v any) []byte {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSpace(b.Bytes())
	}
	head := *c
	head.Cases = []Case{}
	out := bytes.TrimSuffix(line(head), []byte("]}"))
	for i, one := range c.Cases {
		if i > 0 {
			out = append(out, ',')
		}
		one.Parts = slices.Clone(one.Parts)
		for j := range one.Parts {
			if p := &one.Parts[j]; p.Use != "" {
				p.Text = ""
			}
		}
		out = append(append(out, '\n'), line(one)...)
	}
	return append(out, "\n]}\n"...)
}

// TestCorpus_Committed: the corpus is the one that the forge makes, every time it is asked.
func TestCorpus_Committed(t *testing.T) {
	made := encode(t, forgeCorpus(t))
	if again := encode(t, forgeCorpus(t)); !bytes.Equal(made, again) {
		t.Fatal("the forge makes another corpus the second time")
	}
	if *update {
		if err := os.WriteFile("testdata/corpus.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(made, corpus) {
		t.Error("testdata/corpus.json is not what the forge makes: go test ./internal/test/hostile -run Committed -update")
	}
}

func load(t testing.TB) *Corpus {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCorpus_Groups: the corpus is as large as it says, and no case stands twice.
func TestCorpus_Groups(t *testing.T) {
	least := map[string]int{"alg-none": 8, "alg-shape": 14, "alg-confusion": 12, "key-injection": 7, "kid": 14, "crit": 9, "b64-zip-cty": 4, "duplicate": 12,
		"encoding": 25, "signature": 24, "json": 20, "time": 23, "numbers": 10, "iss": 11, "aud": 14, "kind": 14, "profile": 14, "dos": 9}
	refused, accepted, total := map[string]int{}, 0, 0
	names, tokens := map[string]bool{}, map[string]string{}
	for _, c := range load(t).Cases {
		name := c.Group + ": " + c.Name
		if names[name] {
			t.Errorf("two cases are called %q", name)
		}
		names[name] = true
		token := c.Keys + " " + c.Text()
		if other := tokens[token]; other != "" && len(token) > 16 {
			t.Errorf("%q and %q are the same token", name, other)
		}
		tokens[token] = name
		if c.Accept == (c.Reason != "") || c.Row == "" || c.Keys == "" || len(c.Parts) == 0 {
			t.Errorf("%q is not whole", name)
		}
		if c.Accept {
			accepted++
			continue
		}
		refused[c.Group]++
		total++
	}
	for group, n := range least {
		if refused[group] < n {
			t.Errorf("group %s has %d tokens to refuse, fewer than %d", group, refused[group], n)
		}
	}
	if len(refused) != len(least) {
		t.Errorf("there are %d groups, not %d", len(refused), len(least))
	}
	if total < 200 || accepted < 12 {
		t.Errorf("%d tokens to refuse and %d to accept are too few", total, accepted)
	}
	t.Logf("%d tokens to refuse, %d to accept", total, accepted)
}
