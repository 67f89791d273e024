package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

type body struct {
	Name  Text            `json:"name"`
	Other []string        `json:"other"`
	Free  json.RawMessage `json:"free"`
	Inner struct {
		A int `json:"a"`
	} `json:"inner"`
	hidden string
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]error{
		"":                                nil,
		" \n":                             nil,
		"{}":                              nil,
		`{"name":"Ann"}`:                  nil,
		`{"name":null}`:                   nil,
		`{"other":["a"],"inner":{"a":1}}`: nil,
		`{"free":{"a":[1,{"b":null}]}}`:   nil,
		`{"Name":"Ann"}`:                  ErrUnknown,
		`{"n\u0061me":"Ann"}`:             nil, // the same name, written otherwise
		`{"NAME":"Ann","name":"Bob"}`:     ErrTwice,
		`{"name":"Ann","name":"Ann"}`:     ErrTwice,
		`{"name":"Ann","n\u0061me":"B"}`:  ErrTwice,
		`{"ſ":1,"s":2}`:                   ErrTwice,
		`{"free":{"a":1,"A":2}}`:          ErrTwice,
		`{"free":[{"a":1,"a":2}]}`:        ErrTwice,
		`{"hidden":"x"}`:                  ErrUnknown,
		`{"":"x"}`:                        ErrUnknown,
		`{"roles":["x"]}`:                 ErrUnknown,
		`{"inner":{"b":1}}`:               ErrType,
		`{"name":1}`:                      ErrType,
		`{"name":["a"]}`:                  ErrType,
		`{"other":"a"}`:                   ErrType,
		`[]`:                              ErrForm,
		`null`:                            ErrForm,
		`"x"`:                             ErrForm,
		`{} {}`:                           ErrForm,
		`{}x`:                             ErrForm,
		`{"name":"a"`:                     ErrForm,
		`{"name"}`:                        ErrForm,
		`{"free":[1,}`:                    ErrForm,
		`{"free":[`:                       ErrForm,
		"{\"name\":\"\xff\"}":             ErrForm,
		`{"free":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: ErrForm,
	} {
		var b body
		if err := Decode([]byte(text), &b); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%.60q: %v, want %v", text, err, want)
		}
		_ = b.hidden
	}
	var b body
	if err := Decode([]byte(`{"name":"Ann"}`), &b); err != nil || b.Name.Pointer() == nil || *b.Name.Pointer() != "Ann" {
		t.Errorf("%+v %v", b, err)
	}
	b = body{}
	if err := Decode([]byte(`{"name":null}`), &b); err != nil || b.Name.Pointer() == nil || *b.Name.Pointer() != "" {
		t.Errorf("%+v %v", b, err)
	}
	b = body{}
	if err := Decode(nil, &b); err != nil || b.Name.Pointer() != nil {
		t.Errorf("%+v %v", b, err)
	}
}
