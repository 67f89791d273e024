package dynamostore_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

func TestNew(t *testing.T) {
	client := newClient("http://127.0.0.1:1", nil)
	for want, c := range map[string]dynamostore.Config{
		"Config.Client":         {Table: "t"},
		"Config.Table":          {Client: client},
		"Config.RequestTimeout": {Client: client, Table: "t", RequestTimeout: -1},
	} {
		if s, err := dynamostore.New(c); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New without a right %s: %v", want, err)
		}
	}
	if _, err := dynamostore.New(dynamostore.Config{Client: client, Table: "t"}); err != nil {
		t.Error(err)
	}
}

func TestCreateTable(t *testing.T) {
	client, table := newTable(t)
	s := openStore(t, client, table, nil)
	it := create(t, s, store.Key{Part: "p", ID: "a"}, "v", time.Time{})
	must(t, dynamostore.CreateTable(t.Context(), client, table)) // a second time
	holds(t, s, map[store.Key]string{it.Key: "v"})

	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	must(t, err)
	if d := ttl.TimeToLiveDescription; d.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(d.AttributeName) != "expiry" {
		t.Errorf("Time to Live is %v on %q", d.TimeToLiveStatus, aws.ToString(d.AttributeName))
	}
	described, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	must(t, err)
	if b := described.Table.BillingModeSummary; b == nil || b.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("the table is billed as %v, want on demand", b)
	}
}

func TestCreateTable_OtherTimeToLive(t *testing.T) {
	client := newClient(motoURL(t), nil)
	table := "t-" + rand.Text()
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
	})
	must(t, err)
	_, err = client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("other"), Enabled: aws.Bool(true)},
	})
	must(t, err)
	if err := dynamostore.CreateTable(t.Context(), client, table); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("CreateTable of a table whose Time to Live is on another attribute: %v", err)
	}
}

// raw reads what stands in the table.
func raw(t *testing.T, client *dynamodb.Client, table, pk, sk string) map[string]types.AttributeValue {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk},
	}})
	must(t, err)
	return out.Item
}

// Time to Live must not come before an item's end, nor take what never ends.
func TestT3_TimeToLiveIsLate(t *testing.T) {
	client, table := newTable(t)
	s := openStore(t, client, table, nil)
	end := time.UnixMilli(1_900_000_000_001)
	const ttl = "1900000061" // the second after the end, and a minute
	must(t, s.Write(t.Context(),
		store.Put(store.Item{Key: store.Key{Part: "p", ID: "a"}, Expires: end}),
		store.Put(store.Item{Key: store.Key{Part: "p", ID: "never"}})))
	for _, c := range []struct {
		id    string
		until time.Time
	}{{"a", end}, {"never", time.Time{}}} {
		_, err := s.Add(t.Context(), store.Key{Part: "p", ID: c.id}, 1, c.until)
		must(t, err)
		_, err = s.Add(t.Context(), store.Key{Part: "p", ID: c.id}, 1, end.Add(-time.Hour)) // the first one's holds
		must(t, err)
	}
	for pk, want := range map[string]string{"i:p a": ttl, "c:p a": ttl, "i:p never": "", "c:p never": "253402300860"} {
		part, id, _ := strings.Cut(pk, " ")
		got := ""
		if n, ok := raw(t, client, table, part, id)["expiry"].(*types.AttributeValueMemberN); ok {
			got = n.Value
		}
		if got != want {
			t.Errorf("%s: expiry %q, want %q", pk, got, want)
		}
	}
}

// What others put into the table is an error, never an item nor "absent".
func TestT3_ForeignItems(t *testing.T) {
	client, table := newTable(t)
	s := openStore(t, client, table, nil)
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for id, spoilt := range map[string]map[string]types.AttributeValue{
		"no version":      {},
		"value a string":  {"ver": text("v"), "val": text("x")},
		"expiry a string": {"ver": text("v"), "expires_ms": text("0")},
		"expiry broken":   {"ver": text("v"), "expires_ms": &types.AttributeValueMemberN{Value: "1.5"}},
	} {
		t.Run(id, func(t *testing.T) {
			spoilt["pk"], spoilt["sk"] = text("i:"+id), text(id)
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: spoilt})
			must(t, err)
			k := store.Key{Part: id, ID: id}
			if items, err := s.Get(t.Context(), k); err == nil || items != nil {
				t.Errorf("Get: %v, %v", items, err)
			}
			if items, err := s.Get(t.Context(), k, store.Key{Part: "p", ID: "q"}); err == nil || items != nil {
				t.Errorf("Get of two: %v, %v", items, err)
			}
			if items, _, err := s.List(t.Context(), id, "", 1); err == nil || items != nil {
				t.Errorf("List: %v, %v", items, err)
			}
			if err := s.Write(t.Context(), store.Check(k, "")); err == nil || errors.Is(err, store.ErrConflict) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

// DynamoDB takes 4 MB in a transaction, less than 25 of the largest values. More is refused before it is sent, and what
// is just allowed is within DynamoDB's limit.
func TestLargestWrite(t *testing.T) {
	client, table := newTable(t)
	s := openStore(t, client, table, nil)
	var changes []store.Change
	for i := range 16 {
		changes = append(changes, store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprint(i)}, Value: make([]byte, store.MaxValue)}))
	}
	if err := s.Write(t.Context(), changes...); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("4 MB in one Write: %v, want ErrInvalid", err)
	}
	holds(t, s, map[store.Key]string{changes[0].Item.Key: ""})
	must(t, s.Write(t.Context(), changes[:15]...))
	items, next, err := s.List(t.Context(), "p", "", store.MaxList)
	if err != nil || len(items) == 0 {
		t.Fatalf("List: %d items, %v", len(items), err)
	}
	for next != "" { // pages of 1 MB
		var more []store.Item
		more, next, err = s.List(t.Context(), "p", next, store.MaxList)
		must(t, err)
		items = append(items, more...)
	}
	if len(items) != 15 {
		t.Errorf("List found %d items, want 15", len(items))
	}
}

// A program that uses this package must not pay for the config package of the SDK, nor for what it brings.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/posternauth/postern/store/dynamostore").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	sdk := 0
	for _, pkg := range strings.Fields(string(out)) {
		for _, heavy := range []string{"github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/credentials", "github.com/aws/aws-sdk-go-v2/service/s", "html/template", "testing"} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("it links %s", pkg)
			}
		}
		if strings.HasPrefix(pkg, "github.com/aws/aws-sdk-go-v2/service/dynamodb") {
			sdk++
		}
	}
	if sdk == 0 {
		t.Error("go list does not show the DynamoDB client: this test looks at the wrong thing")
	}
}

// consistently fails a read that does not ask to be strongly consistent: moto would not show the difference.
type consistently struct {
	next  http.RoundTripper
	reads atomic.Int64
}

func (c *consistently) RoundTrip(req *http.Request) (*http.Response, error) {
	switch _, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), "."); operation {
	case "GetItem", "Query", "BatchGetItem":
		body, err := io.ReadAll(req.Body)
		if err := errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		if !strings.Contains(string(body), `"ConsistentRead":true`) {
			return nil, fmt.Errorf("%s is not consistent", operation)
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
		c.reads.Add(1)
	}
	return c.next.RoundTrip(req)
}

// Every call is one request; only a counter that has expired takes two. Reads are consistent.
func TestRoundTrips(t *testing.T) {
	_, table := newTable(t)
	now := time.Now()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	reads := &consistently{next: transport}
	net := &faulty{next: reads}
	s := openStore(t, newClient(motoURL(t), net), table, func() time.Time { return now })
	keys := make([]store.Key, store.MaxKeys)
	puts := make([]store.Change, len(keys))
	for i := range keys {
		keys[i] = store.Key{Part: fmt.Sprint("p", i%3), ID: fmt.Sprint(i)}
		puts[i] = store.Put(store.Item{Key: keys[i]})
	}
	get := func(keys ...store.Key) func() error {
		return func() error { _, err := s.Get(t.Context(), keys...); return err }
	}
	write := func(changes ...store.Change) func() error {
		return func() error { return s.Write(t.Context(), changes...) }
	}
	add := func() error { _, err := s.Add(t.Context(), keys[0], 1, now.Add(time.Hour)); return err }
	a := puts[0].Item
	for _, call := range []struct {
		name     string
		requests int
		call     func() error
	}{
		{"Write of 25", 1, write(puts...)},
		{"Get of 25", 1, get(keys...)},
		{"Get of one", 1, get(keys[0])},
		{"Check", 1, write(store.Check(a.Key, a.Version))},
		{"Delete", 1, write(store.Delete(a.Key, a.Version))},
		{"Put", 1, write(store.Put(store.Item{Key: a.Key}))},
		{"List", 1, func() error { _, _, err := s.List(t.Context(), "p0", "", 10); return err }},
		{"Get of none", 0, get()},
		{"Write of nothing", 0, write()},
		{"Add", 1, add},
		{"Add again", 1, add},
		{"Add to what has expired", 2, func() error { now = now.Add(2 * time.Hour); return add() }},
	} {
		before, _ := net.count("")
		if err := call.call(); err != nil {
			t.Errorf("%s: %v", call.name, err)
		}
		if after, _ := net.count(""); after-before != call.requests {
			t.Errorf("%s took %d requests, want %d", call.name, after-before, call.requests)
		}
	}
	if n := reads.reads.Load(); n != 4 {
		t.Errorf("%d consistent reads, want those of Get, Get of one, Check and List", n)
	}
}
