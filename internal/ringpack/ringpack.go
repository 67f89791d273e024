// Package ringpack makes one value of the document of a ring, for vaults whose service encrypts what it keeps: the
// document compressed, and sealed where there is a Sealer.
package ringpack

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/posternauth/postern/keys"
)

// maxPlain is how many bytes of a document are read at all.
const maxPlain = 1 << 20

// A Packer packs the rings of one place.
type Packer struct {
	Sealer keys.Sealer // nil: nothing is sealed
	Place  string      // what the seal is bound to
}

// A Version is the number of a save. It is written into what is packed, below the seal, so that a copy under another
// number does not open. 0 binds nothing.
type Version int

// bound begins the comment of the gzip header (RFC 1952) that has the version. Programs from before there was one skip
// a comment, so they read what this package writes.
const bound = "postern ring version "

var (
	errDamaged   = errors.New("it is damaged")
	errSealed    = errors.New("the ring is sealed: give Config a Sealer with its key")
	errNotSealed = errors.New("the ring is not sealed, and this program seals it: load it without a Sealer and save it with one")
)

// Pack packs a document as a version.
func (p Packer) Pack(ctx context.Context, document []byte, v Version) ([]byte, error) {
	var body bytes.Buffer
	zip, err := gzip.NewWriterLevel(&body, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("packing the ring: %w", err)
	}
	if v != 0 {
		zip.Comment = bound + strconv.Itoa(int(v))
	}
	_, err = zip.Write(document)
	if err = errors.Join(err, zip.Close()); err != nil {
		return nil, fmt.Errorf("packing the ring: %w", err)
	}
	if p.Sealer == nil {
		return body.Bytes(), nil
	}
	sealed, err := p.Sealer.Seal(ctx, body.Bytes(), p.Place)
	if err != nil {
		return nil, fmt.Errorf("sealing the ring: %w", err)
	}
	return sealed, nil
}

// Open returns the document of what Pack made. sealed is whether the one who packed it had a Sealer. What was packed
// without a version opens as any; numbered is whether it has one.
func (p Packer) Open(ctx context.Context, packed []byte, sealed bool, v Version) (document []byte, numbered bool, err error) {
	switch {
	case sealed && p.Sealer == nil:
		return nil, false, errSealed
	case !sealed && p.Sealer != nil:
		return nil, false, errNotSealed
	case sealed:
		if packed, err = p.Sealer.Open(ctx, packed, p.Place); err != nil {
			return nil, false, err
		}
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, false, errDamaged
	}
	if zip.Comment != "" && zip.Comment != bound+strconv.Itoa(int(v)) {
		return nil, false, fmt.Errorf("it has version %.20s of the ring and was copied there", strings.TrimPrefix(zip.Comment, bound))
	}
	document, err = io.ReadAll(io.LimitReader(zip, maxPlain+1))
	if err != nil || len(document) > maxPlain {
		return nil, false, errDamaged
	}
	return document, zip.Comment != "", nil
}

// OtherSeal reports whether an error of Open says that another program, with another Sealer or without one, packed it.
func OtherSeal(err error) bool {
	return errors.Is(err, errSealed) || errors.Is(err, errNotSealed) || errors.Is(err, keys.ErrSealed)
}
