package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// growth compares what sessions cost in a database with a thousand of them and in one with many. The many are rows like
// those of the thousand, spread evenly among them. Both databases take turns.
func growth(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench growth", flag.ContinueOnError)
	many := flags.Int("sessions", 10_000_000, "how many sessions the large database has")
	rounds := flags.Int("rounds", 41, "how often each database has its turn at each task")
	times := flags.Int("times", 101, "how often a task is done in a turn")
	which := flags.String("engines", "sqlite,postgres", "sqlite and postgres, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 || *times < 1 || *many < crowd || *many >= 1<<fillerBits {
		return errors.New("growth takes flags only; -h shows them")
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, name := range strings.Split(*which, ",") {
		if name != "sqlite" && name != "postgres" {
			return fmt.Errorf("engine %q: choose sqlite or postgres", name)
		}
		if err := grow(t, name, *many, *rounds, *times); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return t.Flush()
}

func grow(t io.Writer, name string, many, rounds, times int) error {
	var sides [2]*grown
	for i, n := range []int{crowd, many} {
		dir, err := os.MkdirTemp("", "bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
			return err
		}
		e, err := engines[name](dir)
		if err != nil {
			return err
		}
		defer e.close()
		if sides[i], err = newGrown(e, name, n); err != nil {
			return err
		}
	}
	fmt.Fprintf(t, "%s\tin a turn\t%d sessions\t%d sessions\tx\t\n", name, crowd, many)
	for _, task := range growthTasks {
		turns := []int{times}
		if task.read {
			turns = append(turns, warm*times)
		}
		for _, times := range turns {
			var least [2]time.Duration
			for round := range rounds + 1 { // the first is for warming up
				for i, side := range sides {
					took, err := side.median(task.do, times)
					if err != nil {
						return fmt.Errorf("%s: %w", task.name, err)
					}
					if round == 1 || round > 1 && took < least[i] {
						least[i] = took
					}
				}
			}
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%.2f\t\n", task.name, times, duration(float64(least[0])), duration(float64(least[1])), float64(least[1])/float64(least[0]))
		}
	}
	fmt.Fprintln(t, "\t\t\t\t\t")
	return nil
}

// warm is how many times longer the long turns of a read are. In a short turn both databases pay for what the other one
// has pushed out of the caches of the processor; in a long one the small database is all in them.
const warm = 30

// A grown is a database with sessions, of which a thousand are used.
type grown struct {
	sessions *session.Sessions
	user     *session.Kind[person]
	clock    *clock
	tokens   []session.Tokens
	grant    func(n int) session.Grant[person]
}

var growthTasks = []struct {
	name string
	read bool
	do   func(*grown, context.Context) error
}{
	{"Kind.Verify, CheckStore", true, func(g *grown, ctx context.Context) error {
		_, err := g.user.Verify(ctx, g.tokens[rand.N(crowd)].Access, session.CheckStore)
		return err
	}},
	{"Sessions.List of a person", true, func(g *grown, ctx context.Context) error {
		page, err := g.sessions.List(ctx, fmt.Sprint("u", rand.N(crowd)), session.ListOptions{})
		if err == nil && len(page.Sessions) == 0 {
			err = errors.New("the person has no session")
		}
		return err
	}},
	{"Sessions.Refresh", false, func(g *grown, ctx context.Context) error {
		n := rand.N(crowd)
		g.clock.moved.Add(int64(31 * time.Second)) // past the grace
		next, err := g.sessions.Refresh(ctx, g.tokens[n].Refresh)
		if err != nil {
			return err
		}
		if next.Refresh == g.tokens[n].Refresh {
			return errors.New("nothing was rotated")
		}
		g.tokens[n] = next
		return nil
	}},
	{"Kind.Create, for a sign-in", false, func(g *grown, ctx context.Context) error {
		_, err := g.user.Create(ctx, g.grant(rand.N(1<<40)))
		return err
	}},
}

func newGrown(e *engine, dialect string, n int) (*grown, error) {
	g := &grown{clock: new(clock)}
	var err error
	if g.sessions, g.user, g.grant, err = e.people("EdDSA", g.clock.now); err != nil {
		return nil, err
	}
	ctx := context.Background()
	f := filler{db: e.db, dialect: dialect, n: n - crowd}
	for i := range crowd {
		tokens, err := g.user.Create(ctx, g.grant(i))
		if err != nil {
			return nil, err
		}
		g.tokens = append(g.tokens, tokens)
		if _, err := g.user.Verify(ctx, tokens.Access); err != nil { // the signature is checked once, and remembered
			return nil, err
		}
		if i == 0 {
			id := tokens.SessionID
			part := "session:" + id[:16]
			if f.rows, err = e.store.Get(ctx, store.Key{Part: part, ID: id[17:]}, store.Key{Part: part, ID: "*"}); err != nil || len(f.rows) != 2 {
				return nil, fmt.Errorf("the rows of a session: %d, %w", len(f.rows), err)
			}
		}
		if err := f.fill(ctx, int(int64(f.n)*int64(i+1)/crowd)); err != nil {
			return nil, fmt.Errorf("filling up: %w", err)
		}
	}
	last := "ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)" // both files have their rows in the tables, and none in the log
	if dialect == "postgres" {
		last = "VACUUM ANALYZE"
	}
	_, err = e.db.ExecContext(ctx, last)
	return g, err
}

// fillerBits is how many bits of a number are in the name of a filler.
const fillerBits = 30

// A filler writes the rows of n more sessions, each of another person, between those that are used. Their parts begin
// with the digits of base64url that count up, so that they are spread evenly over the parts of real sessions, which are
// hashes. Where the order in which rows were written is that on the disk, as on Postgres, they are spread evenly too.
type filler struct {
	db      *sql.DB
	dialect string
	n       int
	rows    []store.Item // of a session, and the index of its person
	written int
}

// fill writes until there are n, in large batches.
func (f *filler) fill(ctx context.Context, n int) error {
	const batch = 10_000
	if f.written == n || n-f.written < batch && n < f.n {
		return nil
	}
	const digits = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz" // in the order of their bytes
	step := (int64(1)<<fillerBits - 1) / int64(f.n)
	var part []string
	for shift := fillerBits - 6; shift >= 0; shift -= 6 {
		part = append(part, fmt.Sprintf("substr('%s', ((i * %d) >> %d & 63)::int + 1, 1)", digits, step, shift))
	}
	numbers := "(SELECT generate_series($1::bigint, $2::bigint - 1) AS i) AS n"
	name := "'session:' || " + strings.Join(part, " || ") + " || 'fillerfille'"
	if f.dialect == "sqlite" {
		numbers = "(WITH RECURSIVE c(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM c WHERE i < $2 - 1) SELECT i FROM c) AS n"
		name = strings.ReplaceAll(name, "::int", "")
	}
	query := fmt.Sprintf("INSERT INTO postern_items (part, id, value, expires_ms, version) SELECT %s, $3, $4, $5, $6 FROM %s", name, numbers)
	if f.dialect == "postgres" {
		query = strings.NewReplacer("$3", "$3::text", "$4", "$4::bytea", "$5", "$5::bigint", "$6", "$6::text").Replace(query)
	}
	for _, row := range f.rows {
		expires := row.Expires.UnixMilli() + int64(f.written)
		if _, err := f.db.ExecContext(ctx, query, f.written, n, row.Key.ID, row.Value, expires, row.Version); err != nil {
			return err
		}
	}
	f.written = n
	return nil
}

// median returns the median time of a task.
func (g *grown) median(do func(*grown, context.Context) error, times int) (time.Duration, error) {
	all := make([]time.Duration, times)
	for i := range all {
		begin := time.Now()
		if err := do(g, context.Background()); err != nil {
			return math.MaxInt64, err
		}
		all[i] = time.Since(begin)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
