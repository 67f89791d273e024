package jose

import (
	"crypto/ed25519"
	"fmt"
	"math/big"
	"slices"
)

// checkEd25519 refuses what is not the public key of anybody: a signature for a point of small order can be made
// without a private key, and crypto/ed25519 decodes those points, and y modulo p, when it verifies.
func checkEd25519(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: an Ed25519 key has %d bytes", ErrKey, ed25519.PublicKeySize)
	}
	encoded := slices.Clone(key)
	encoded[len(encoded)-1] &= 0x7f // the sign of x
	slices.Reverse(encoded)         // to big-endian
	y := new(big.Int).SetBytes(encoded)

	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return fmt.Errorf("%w: an Ed25519 key that is not in its shortest form", ErrKey)
	}
	if smallOrder(y, p) {
		return fmt.Errorf("%w: an Ed25519 key of small order, for which anyone can sign", ErrKey)
	}

	// RFC 8032 section 5.1.3: x^2 = (y^2-1)/(d*y^2+1), d = -121665/121666. The divisor is never 0, for -1/d has no
	// root.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	square := new(big.Int).Mul(y, y)
	dividend := new(big.Int).Sub(square, one)
	divisor := d.Mul(d, square).Add(d, one)
	divisor.Mod(divisor, p)
	// A quotient is a square where the product is. x = 0 has small order, so that the product is not 0 here.
	if big.Jacobi(dividend.Mul(dividend, divisor).Mod(dividend, p), p) != 1 {
		return fmt.Errorf("%w: an Ed25519 key that is not a point of the curve", ErrKey)
	}
	return nil
}

// smallOrder reports whether y, below p, is that of one of the eight points whose order divides eight: 1 and -1 have
// the orders 1 and 2, 0 the order 4, and order8 and -order8 the order 8.
func smallOrder(y, p *big.Int) bool {
	order8, _ := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	negative := new(big.Int).Sub(p, y)
	return y.BitLen() <= 1 || negative.BitLen() <= 1 || y.Cmp(order8) == 0 || negative.Cmp(order8) == 0
}
