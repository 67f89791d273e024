package jose

import "testing"

// benchPayload is that of an everyday token.
const benchPayload = `{"iss":"https://api.example.com/auth","aud":"api","sub":"user_01J9ZQ4W8Y","client_id":"api","iat":1772366370,` +
	`"exp":1772370000,"jti":"VUJNdTVCREtfUU5aWmtB","sid":"LPJNul-wow4m6Dsq.gYyxJ9pJ3lXy7n7hGq0a0Q","type":"user",` +
	`"properties":{"userID":"user_01J9ZQ4W8Y","tenantID":"tenant_42"},"roles":["owner","editor","viewer"],"auth_time":1772366340,"amr":["oidc"]}`

func BenchmarkParse_Everyday(b *testing.B) {
	token := Compact(SigningInput(RS256, "2026-01", "at+jwt", []byte(benchPayload)), make([]byte, 256))
	b.ReportAllocs()
	b.SetBytes(int64(len(token)))
	for b.Loop() {
		if _, err := Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkObject(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchPayload)))
	n := 0
	for b.Loop() {
		err := Object(benchPayload, func(name, value string) error { n += len(value); return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
