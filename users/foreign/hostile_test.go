package foreign_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/users/foreign"
)

// A record that cannot be read is reported with its number and line, and hides no other.
func TestRead_BadRecordsHideNoOther(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, tt := range map[string]struct {
		format foreign.Format
		in     string
		want   string // ids, and the numbers and lines of errors
	}{
		"NDJSON": {foreign.Auth0, "\ufeff" + `{"user_id":"a"}` + "\n\n" + `{"user_id":"b",` + "\n" + `[]` + "\n" + `{"user_id":""}` + "\n" + `{"user_id":{"x":1}}` + "\n" +
			`{"user_id":"` + long + "\"}\n" + `{"user_id":"c"}`, "a 2/3 3/4 4/5 5/6 6/7 c"},
		"JSON array": {foreign.Clerk, "[\n{\"id\":\"a\"},\n1,\n\"x\",\n{\"id\":tru},\n{\"id\":\"" + long + "\"},\n{\"id\":\"b\"} ]", "a 2/3 3/4 4/5 5/6 b"},
		"member": {foreign.Firebase, `{"kind":"` + long + `","n":1,"other":[{"localId":"no"}],"users":[{"localId":"a"},{"localId":"b","disabled":"perhaps"},{"localId":"c"}],"z":null}`,
			"a 2/1 c"},
		"CSV": {foreign.Clerk, "# a comment\nid,primary_email_address\na,A\n\"b\"x,B\nc\nd,D,E\ne,\"E\n\"\"e\"\"\"\n" + long + ",F\n\xff,G\ng,G", "a 2/4 3/5 4/6 e 6/9 7/10 g"},
		"ban in a word": {foreign.BetterAuth, `[{"id":"a","banned":"yes"},{"id":"b","banned":"no"},{"id":"c","banned":false}]`,
			"1/1 2/1 c"},
		"times":                 {foreign.Keycloak, `{"users":[{"id":"a","createdTimestamp":-1},{"id":"b","createdTimestamp":1e300},{"id":"c","createdTimestamp":"NaN"},{"id":"d"}]}`, "1/1 2/1 3/1 d"},
		"a column twice":        {foreign.BetterAuth, `[{"id":"a","emailVerified":false,"email_verified":true}]`, "1/1"},
		"control character":     {foreign.Clerk, `[{"id":"a\u0000"},{"id":"b\n"},{"id":"` + strings.Repeat("i", 256) + `"}]`, "1/1 2/1 3/1"},
		"identities of another": {foreign.Supabase, `[{"id":"a","identities":[{"user_id":"b","provider":"google","provider_id":"1"}]}]`, "1/1"},
		"many roles":            {foreign.Keycloak, `{"users":[{"id":"a","realmRoles":[` + strings.Repeat(`"r",`, 64) + `"r"]}]}`, "1/1"},
		"no users":              {foreign.Keycloak, `{"users":[]}`, ""},
		"empty array":           {foreign.Auth0, ` [ ] `, ""},
		"empty file":            {foreign.Auth0, "", ""},
		"names alone":           {foreign.Clerk, "id,primary_email_address\n", ""},
	} {
		var got []string
		for r, err := range foreign.Read(t.Context(), tt.format, strings.NewReader(tt.in), foreign.Options{MaxRecord: 4096}) {
			bad := (*foreign.RecordError)(nil)
			switch {
			case errors.As(err, &bad):
				got = append(got, fmt.Sprintf("%d/%d", bad.Number, bad.Line))
				if strings.Contains(err.Error(), "xxxx") {
					t.Errorf("%s: the error repeats the record: %v", name, err)
				}
			case err != nil:
				got = append(got, err.Error())
			default:
				got = append(got, r.ID)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", name, s, tt.want)
		}
	}
}

// An input that is not an export, or ends in the middle, is an error: never a short list that looks complete.
func TestRead_NotAnExport(t *testing.T) {
	for name, tt := range map[string]struct {
		format foreign.Format
		in     io.Reader
	}{
		"no member":        {foreign.Firebase, strings.NewReader(`{"accounts":[]}`)},
		"member no list":   {foreign.Firebase, strings.NewReader(`{"users":{}}`)},
		"realm cut":        {foreign.Keycloak, strings.NewReader(`{"users":[{"id":"a"}`)},
		"array cut":        {foreign.Auth0, strings.NewReader(`[{"user_id":"a"},`)},
		"record cut":       {foreign.Clerk, strings.NewReader(`[{"id":"a`)},
		"no comma":         {foreign.Clerk, strings.NewReader(`[{"id":"a"}{"id":"b"}]`)},
		"two commas":       {foreign.Clerk, strings.NewReader(`[{"id":"a"},,{"id":"b"}]`)},
		"text after":       {foreign.Cognito, strings.NewReader(`{"Users":[]}x`)},
		"member cut":       {foreign.Cognito, strings.NewReader(`{"Users"`)},
		"no name":          {foreign.Cognito, strings.NewReader(`{1:[]}`)},
		"quote open":       {foreign.Clerk, strings.NewReader("id,name\n\"a,b\n")},
		"list of realms":   {foreign.Keycloak, strings.NewReader(`[{"id":"r","realm":"r","users":[{"id":"a"}]}]`)},
		"CSV of another":   {foreign.Clerk, strings.NewReader("id,email,encrypted_password\na,a@example.com,x\n")},
		"names twice":      {foreign.Clerk, strings.NewReader("id,id\n1,2\n")},
		"one column":       {foreign.Clerk, strings.NewReader("id\n1\n")},
		"names too long":   {foreign.Clerk, strings.NewReader(strings.Repeat("a", 2<<20) + ",b\n")},
		"disk fails":       {foreign.Auth0, io.MultiReader(strings.NewReader(`{"user_id":"a"}`+"\n"), iotest.ErrReader(errors.New("i/o error")))},
		"disk fails there": {foreign.Auth0, io.MultiReader(strings.NewReader(`[{"user_id":"a`), iotest.ErrReader(errors.New("i/o error")))},
		"unknown format":   {"okta", strings.NewReader(`[]`)},
	} {
		var last error
		for _, err := range foreign.Read(t.Context(), tt.format, tt.in, foreign.Options{}) {
			last = err
		}
		if last == nil || errors.As(last, new(*foreign.RecordError)) {
			t.Errorf("%s: %v", name, last)
		}
	}
}

func TestRead_Accounts(t *testing.T) {
	users := `[{"id":"u1","email":"ada@example.com"}]`
	for name, tt := range map[string]struct {
		format   foreign.Format
		accounts string
		most     int
	}{
		"a row without a user": {foreign.BetterAuth, `[{"providerId":"google","accountId":"1"}]`, 0},
		"a row that is broken": {foreign.BetterAuth, `[{"userId":}]`, 0},
		"cut":                  {foreign.BetterAuth, `[{"userId":"u1"}`, 0},
		"too many":             {foreign.Supabase, `[{"user_id":"a"},{"user_id":"b"},{"user_id":"c"}]`, 2},
		"too many of one":      {foreign.Supabase, `[` + strings.Repeat(`{"user_id":"a"},`, 40) + `{"user_id":"b"}]`, 0},
		"for another format":   {foreign.Clerk, `[]`, 0},
	} {
		o := foreign.Options{Accounts: strings.NewReader(tt.accounts), MaxAccounts: tt.most}
		_, all, err := readAll(t.Context(), tt.format, []byte(users), o)
		if err == nil || len(all) > 0 {
			t.Errorf("%s: %d users and %v: a user without its accounts looks like one who has none", name, len(all), err)
		}
	}
}

// P7: an import with hostile costs is refused before anything is computed.
func TestP7_HostileCostsInExports(t *testing.T) {
	for name, tt := range map[string]struct {
		format foreign.Format
		in     string
	}{
		"bcrypt 31":     {foreign.Auth0, `{"user_id":"a","email":"a@example.com","passwordHash":"$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"}`},
		"argon2 4 GiB":  {foreign.Supabase, `[{"id":"a","email":"a@example.com","encrypted_password":"$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]`},
		"PBKDF2 2^31":   {foreign.Keycloak, `{"users":[{"id":"a","email":"a@example.com","credentials":[{"type":"password","secretData":"{\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}","credentialData":"{\"hashIterations\":2147483647,\"algorithm\":\"pbkdf2-sha256\"}"}]}]}`},
		"salt of 500 K": {foreign.BetterAuth, `[{"id":"a","email":"a@example.com","accounts":[{"providerId":"credential","password":"` + strings.Repeat("aa", 250000) + `:` + strings.Repeat("aa", 64) + `"}]}]`},
	} {
		_, all, err := readAll(t.Context(), tt.format, []byte(tt.in), foreign.Options{})
		if err != nil || len(all) != 1 || all[0].Password != "" || len(all[0].Notes) != 1 || len(all[0].Notes[0]) > 300 {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

// A file of 60 MB, of which a record has 40 MB, is read with a few megabytes.
func TestRead_Memory(t *testing.T) {
	block := strings.Repeat(`{"user_id":"a","email":"ada@example.com","user_metadata":{"text":"`+strings.Repeat("x", 1000)+`"}}`+"\n", 100)
	pieces := []io.Reader{strings.NewReader(`{"user_id":"`), io.LimitReader(zeros{}, 40<<20), strings.NewReader("\"}\n")}
	for range 200 {
		pieces = append(pieces, strings.NewReader(block)) // all of them share the block
	}
	var most uint64
	n, bad := 0, 0
	for _, err := range foreign.Read(t.Context(), foreign.Auth0, io.MultiReader(pieces...), foreign.Options{}) {
		if err != nil {
			bad++
		}
		if n++; n%4000 == 1 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if bad != 1 || n != 20001 || most > 16<<20 {
		t.Errorf("%d records, %d errors, %d MB", n, bad, most>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestRead_StopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range foreign.Read(ctx, foreign.Auth0, strings.NewReader(strings.Repeat(`{"user_id":"a"}`+"\n", 1000)), foreign.Options{}) {
		if n++; n == 3 {
			cancel()
		}
		last = err
	}
	if n != 4 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d records, %v", n, last)
	}
}

func TestParseFirebaseParameters(t *testing.T) {
	good := "algorithm: SCRYPT,\nbase64_signer_key: c2VjcmV0,\nbase64_salt_separator: Bw==,\nrounds: 8,\nmem_cost: 14,\n"
	if p, err := foreign.ParseFirebaseParameters(good); err != nil || *p != (hash.Firebase{SignerKey: "c2VjcmV0", SaltSeparator: "Bw==", Rounds: 8, MemCost: 14}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, change := range [][2]string{
		{"SCRYPT", "MD5"}, {"rounds: 8", "rounds: 9"}, {"mem_cost: 14", "mem_cost: 31"}, {"rounds: 8", "rounds: x"},
		{"c2VjcmV0", ""}, {"rounds", "bounds"}, {"rounds: 8,", "rounds: 8,\nrounds: 8,"},
	} {
		if _, err := foreign.ParseFirebaseParameters(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%v is taken", change)
		} else if strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("the error has the key: %v", err)
		}
	}
}

// FuzzRead reads any bytes as any format. What is read keeps to the limits of a Record, whatever the input is.
func FuzzRead(f *testing.F) {
	formats := foreign.Formats()
	for i, name := range []string{"auth0.ndjson", "better-auth.json", "clerk.csv", "cognito.json", "firebase.csv", "keycloak.json", "supabase.csv", "clerk.json", "cognito.csv", "firebase.json", "supabase.json", "postern.ndjson"} {
		b, err := readFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte([]int{0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 6, 7}[i]), b)
	}
	f.Fuzz(func(t *testing.T, format byte, in []byte) {
		n := 0
		o := foreign.Options{MaxRecord: 16 << 10, Firebase: &hash.Firebase{SignerKey: "AAAA", SaltSeparator: "Bw==", Rounds: 8, MemCost: 14}}
		for r, err := range foreign.Read(t.Context(), formats[int(format)%len(formats)], bytes.NewReader(in), o) {
			if n++; n > len(in)+1 {
				t.Fatalf("%d records of %d bytes", n, len(in))
			}
			if err != nil {
				if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
				continue
			}
			check(t, r, formats[int(format)%len(formats)] == foreign.Postern)
		}
	})
}

// check fails unless r is within the limits of a Record. A Record of Postern can have any JSON, and the issuers that a
// program accepts.
func check(t *testing.T, r foreign.Record, own bool) {
	t.Helper()
	if r.ID == "" || len(r.ID) > 255 || r.Number < 1 || r.Line < 1 {
		t.Errorf("id %q, record %d, line %d", r.ID, r.Number, r.Line)
	}
	for _, s := range []string{r.ID, r.Name, r.Username, r.Locale, r.Picture} {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\n\r") || len(s) > 2048 {
			t.Errorf("the text %q", s)
		}
	}
	if r.Picture != "" && !strings.HasPrefix(strings.ToLower(r.Picture), "https://") {
		t.Errorf("the picture %q", r.Picture)
	}
	for _, a := range r.Addresses {
		if a.Type == "email" {
			if m, err := mailaddr.Parse(a.Value); err != nil || m.String() != a.Value {
				t.Errorf("the address %q: %v", a.Value, err)
			}
		} else if a.Type != "phone" || len(a.Value) > 32 {
			t.Errorf("the address %+v", a)
		}
	}
	for _, i := range r.Identities {
		if i.Issuer == "" || !own && !strings.HasPrefix(i.Issuer, "https://") || i.Subject == "" {
			t.Errorf("the identity %+v", i)
		}
	}
	for _, d := range []json.RawMessage{r.Data, r.Profile} {
		var m map[string]any
		if len(d) > 64<<10 || d != nil && json.Unmarshal(d, &m) != nil && !(own && json.Valid(d)) {
			t.Errorf("the data %.100q", d)
		}
	}
	if r.Password != "" && hash.Check(r.Password) != nil {
		t.Errorf("the password %q does not verify", r.Password)
	}
	if len(r.Addresses) > 10 || len(r.Identities) > 10 || len(r.Roles) > 64 || len(r.Notes) > 64 {
		t.Error("too many")
	}
}
