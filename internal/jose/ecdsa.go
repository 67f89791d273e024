package jose

import (
	"encoding/asn1"
	"fmt"
	"math/big"
)

// derOverhead is what the ASN.1 form of a signature has at most beyond r and s.
const derOverhead = 3 + 2*3

// derFromRaw appends to der the ASN.1 form, which the standard library checks, of r‖s (RFC 7518 section 3.4). A zero
// r or s is refused here, one that is not below the order of the curve by the standard library (CVE-2022-21449).
func derFromRaw(der, sig []byte) (out []byte, ok bool) {
	half := len(sig) / 2
	r, s := trimZeros(sig[:half]), trimZeros(sig[half:])
	if len(r) == 0 || len(s) == 0 {
		return nil, false
	}
	body := 4 + len(r) + int(r[0]>>7) + len(s) + int(s[0]>>7)
	der = append(der, 0x30)
	if body > 0x7f { // P-521
		der = append(der, 0x81)
	}
	der = append(der, byte(body))
	return appendInt(appendInt(der, r), s), true
}

func appendInt(der, n []byte) []byte {
	if n[0]>>7 != 0 { // a leading zero keeps it positive
		der = append(der, 2, byte(len(n)+1), 0)
	} else {
		der = append(der, 2, byte(len(n)))
	}
	return append(der, n...)
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// RawFromDER turns an ECDSA signature in ASN.1 form, as crypto/ecdsa and key management services make it, into r‖s of
// size bytes (RFC 7518 section 3.4), with the leading zeros that ASN.1 drops.
func RawFromDER(der []byte, size int) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 ||
		sig.R.BitLen() > size*4 || sig.S.BitLen() > size*4 {
		return nil, fmt.Errorf("%w ECDSA signature: not two numbers of %d bytes in ASN.1", ErrFormat, size/2)
	}
	raw := make([]byte, size)
	sig.R.FillBytes(raw[:size/2])
	sig.S.FillBytes(raw[size/2:])
	return raw, nil
}
