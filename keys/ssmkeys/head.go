package ssmkeys

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/ringpack"
	"github.com/posternauth/postern/keys"
)

const (
	maxValue = 4 << 10 // bytes of a standard parameter
	maxParts = 64
	digits   = 10 // of a number
)

// A head is the parameter of a version. It has the first part of the text, or all of it.
type head struct {
	Format int    `json:"postern"` // 1
	For    string `json:"for"`     // the path, so that a copy of another path does not open
	ID     string `json:"id"`      // random, of one save
	Sealed bool   `json:"sealed,omitempty"`
	Parts  int    `json:"parts,omitempty"` // further parameters
	Sum    []byte `json:"sum"`             // SHA-256 of the whole text
	Text   string `json:"text"`            // base64 of the compressed document, sealed if Sealed is set

	number   int
	modified time.Time
	edits    int64 // how often the parameter was written: once, by Postern
}

// version names a save for keys.Vault. With the id it differs from a save with the same number, in a path that was
// emptied.
func (h head) version() string { return strconv.Itoa(h.number) + "." + h.ID }

func (h head) marshal() (string, error) {
	value, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("ssmkeys: %w", err)
	}
	return string(value), nil
}

func (v *Vault) packer() ringpack.Packer {
	return ringpack.Packer{Sealer: v.c.Sealer, Place: "postern-ring-1 " + v.c.Path}
}

func (v *Vault) name(number int) string { return fmt.Sprintf("%s/%0*d", v.c.Path, digits, number) }

func (v *Vault) partName(h head, i int) string {
	return fmt.Sprintf("%s/%s/%d", v.name(h.number), h.ID, i)
}

// parseHead reads the parameter of a version. name must be that of a number.
func (v *Vault) parseHead(name, value string, modified time.Time) (head, error) {
	text, direct := strings.CutPrefix(name, v.c.Path+"/")
	number, err := strconv.Atoi(text)
	if !direct || err != nil || number < 1 || len(text) != digits {
		return head{}, fmt.Errorf("ssmkeys: %s is no version of a ring: give the ring a path with nothing else below it", name)
	}
	h := head{number: number, modified: modified}
	if err := json.Unmarshal([]byte(value), &h); err != nil || h.Format != 1 || h.ID == "" || h.Parts < 0 || h.Parts > maxParts {
		return head{}, fmt.Errorf("ssmkeys: %s is not a ring, or has a newer format: %s", name, mend)
	}
	if h.For != v.c.Path {
		return head{}, fmt.Errorf("ssmkeys: %s has the ring of %q and was copied there: %s", name, h.For, mend)
	}
	return h, nil
}

// encode makes the parameters of a version: its head, and the texts of the parts below it.
func (v *Vault) encode(ctx context.Context, number int, data []byte) (head, []string, error) {
	raw, err := v.packer().Pack(ctx, data, ringpack.Version(number))
	if err != nil {
		return head{}, nil, fmt.Errorf("ssmkeys: %s: %w", v.c.Path, err)
	}
	text := base64.StdEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(text))
	h := head{Format: 1, For: v.c.Path, ID: rand.Text(), Sealed: v.c.Sealer != nil, Parts: maxParts, Sum: sum[:], number: number}
	frame, err := h.marshal()
	if err != nil {
		return head{}, nil, err
	}
	first := min(len(text), maxValue-len(frame))
	h.Text = text[:first]
	var parts []string
	for part := range slices.Chunk([]byte(text[first:]), maxValue) {
		parts = append(parts, string(part))
	}
	if h.Parts = len(parts); h.Parts > maxParts {
		return head{}, nil, fmt.Errorf("ssmkeys: the ring of %s is too large: %d bytes when packed, and there is room for %d; rotate less often, since keys leave the ring when they retire, or keep it in a keys.StoreVault",
			v.c.Path, len(text), maxParts*maxValue)
	}
	return h, parts, nil
}

// mend is what to do about a version that does not open.
const mend = "look in CloudTrail who wrote it (PutParameter), and restore it from its history (aws ssm get-parameter-history). " +
	"Remove it only if it never was a version of the ring: without it the version before is the ring, where keys that were revoked since are valid again"

var errParts = errors.New("parts of it are missing")

// open returns the document of a version, and whether its number is below the seal. The sealed text of one that another
// Sealer made is whole.
func (v *Vault) open(ctx context.Context, h head) (data []byte, bound bool, err error) {
	failed := func(err error) error { return fmt.Errorf("ssmkeys: %s: %w", v.name(h.number), err) }
	text, err := v.whole(ctx, h)
	if err != nil {
		return nil, false, failed(err)
	}
	if sum := sha256.Sum256([]byte(text)); !bytes.Equal(sum[:], h.Sum) {
		return nil, false, failed(errors.New("it is damaged: " + mend))
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, false, failed(errors.New("it is damaged: " + mend))
	}
	data, bound, err = v.packer().Open(ctx, raw, h.Sealed, ringpack.Version(h.number))
	switch {
	case err != nil && (ringpack.OtherSeal(err) || errors.Is(err, keys.ErrUnavailable)):
		return nil, false, failed(err)
	case err != nil:
		return nil, false, failed(fmt.Errorf("%w: %s", err, mend))
	}
	return data, bound, nil
}

// sortHeads sorts by number, the newest last.
func sortHeads(heads []head) {
	slices.SortFunc(heads, func(a, b head) int { return cmp.Compare(a.number, b.number) })
}
