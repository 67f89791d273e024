package torture

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/store/sqlstore"
)

// A loot is what a thief has who copied a database: every field of it, and the files it lies in.
type loot struct {
	fields []string
	files  []string
}

// steal copies a place as its own tools do, past the store.
func steal(t *testing.T, at *place) (l loot) {
	t.Helper()
	kind, where, _ := strings.Cut(at.spec, " ")
	switch kind {
	case "sqlite":
		l.fields = stealSQL(t, "sqlite", sqlstore.DSN(where), `SELECT name FROM sqlite_master WHERE type = 'table'`)
	case "postgres":
		l.fields = stealSQL(t, "pgx", where, `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	case "redis":
		l.fields = stealRedis(t, where)
	case "dynamodb":
		url, table, _ := strings.Cut(where, " ")
		l.fields = stealDynamo(t, dynamoClient(url), table)
	}
	if at.folder != "" {
		err := filepath.WalkDir(at.folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			l.files = append(l.files, string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func stealSQL(t *testing.T, driver, dsn, list string) (fields []string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := selectAll(t, db, list)
	if len(tables) < 3 {
		t.Fatalf("only the tables %q", tables)
	}
	for _, table := range tables {
		fields = append(fields, selectAll(t, db, `SELECT * FROM "`+table+`"`)...)
	}
	return fields
}

func selectAll(t *testing.T, db *sql.DB, query string) (fields []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fields = append(fields, string(v))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return fields
}

func stealRedis(t *testing.T, addr string) (fields []string) {
	t.Helper()
	ctx, c := t.Context(), redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		var values []string
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			values = []string{c.Get(ctx, key).Val()}
		case "zset":
			values, err = c.ZRange(ctx, key, 0, -1).Result()
		case "hash":
			var m map[string]string
			m, err = c.HGetAll(ctx, key).Result()
			for name, v := range m {
				values = append(values, name, v)
			}
		default:
			t.Fatalf("key %q is a %s", key, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		fields = append(append(fields, key), values...)
	}
	return fields
}

func stealDynamo(t *testing.T, c *dynamodb.Client, table string) (fields []string) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range p.Items {
			for name, v := range item {
				switch v := v.(type) {
				case *types.AttributeValueMemberS:
					fields = append(fields, v.Value)
				case *types.AttributeValueMemberB:
					fields = append(fields, string(v.Value))
				case *types.AttributeValueMemberN:
					fields = append(fields, v.Value)
				default:
					t.Fatalf("attribute %s is a %T", name, v)
				}
			}
		}
	}
	return fields
}

var word = regexp.MustCompile(`[A-Za-z0-9_-]{6,}(\.[A-Za-z0-9_-]+)*`)

// strings are all texts in the fields: fields themselves, strings of the JSON in them, and the words of both.
func (l loot) strings() []string {
	set := map[string]bool{}
	add := func(text string) {
		set[text] = true
		for _, w := range word.FindAllString(text, -1) {
			set[w] = true
			for part := range strings.SplitSeq(w, ".") {
				set[part] = true
			}
		}
	}
	var dig func(v any)
	dig = func(v any) {
		switch v := v.(type) {
		case string:
			add(v)
		case []any:
			for _, e := range v {
				dig(e)
			}
		case map[string]any:
			for name, e := range v {
				add(name)
				dig(e)
			}
		}
	}
	for _, f := range l.fields {
		add(f)
		var v any
		if from := strings.IndexByte(f, '{'); from >= 0 && json.Unmarshal([]byte(f[from:]), &v) == nil {
			dig(v)
		}
	}
	delete(set, "")
	all := make([]string, 0, len(set))
	for text := range set {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// everything is the loot as one text.
func (l loot) everything() string {
	return strings.Join(l.fields, "\n") + "\n" + strings.Join(l.files, "\n")
}

func (l loot) String() string { return fmt.Sprintf("%d fields, %d files", len(l.fields), len(l.files)) }
