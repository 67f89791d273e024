package keys

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// rest are the members of an object of the vault that this version does not read. An edit writes them again, because a
// newer program may have put them there, and both serve side by side during an upgrade.
type rest map[string]json.RawMessage

// readRest fills known, a pointer to a struct, from data and returns the members it has no field for.
func readRest(data []byte, known any) (rest, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, err
	}
	var all rest
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	fields := reflect.TypeOf(known).Elem()
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool {
		for i := range fields.NumField() {
			if tag, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ","); tag != "" && strings.EqualFold(tag, name) {
				return true
			}
		}
		return false
	})
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// write returns the JSON object of known, a struct, with the members of r behind those of known.
func (r rest) write(known any) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(r) == 0 {
		return data, err
	}
	data = data[:len(data)-1] // known always has a member: format or id
	for _, name := range slices.Sorted(maps.Keys(r)) {
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		data = fmt.Appendf(data, ",%s:%s", quoted, r[name])
	}
	return append(data, '}'), nil
}

type (
	plainDocument document
	plainEntry    entry
	plainImported importedEntry
)

func (d *document) UnmarshalJSON(data []byte) (err error) {
	d.rest, err = readRest(data, (*plainDocument)(d))
	return err
}

func (d document) MarshalJSON() ([]byte, error) { return d.rest.write(plainDocument(d)) }

func (e *entry) UnmarshalJSON(data []byte) (err error) {
	e.rest, err = readRest(data, (*plainEntry)(e))
	return err
}

func (e entry) MarshalJSON() ([]byte, error) { return e.rest.write(plainEntry(e)) }

func (e *importedEntry) UnmarshalJSON(data []byte) (err error) {
	e.rest, err = readRest(data, (*plainImported)(e))
	return err
}

func (e importedEntry) MarshalJSON() ([]byte, error) { return e.rest.write(plainImported(e)) }
