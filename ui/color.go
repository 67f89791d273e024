package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A color is red, green and blue, from 0 to 255.
type color [3]uint8

var (
	white = color{255, 255, 255}
	black = color{0, 0, 0}
)

// parseColor reads "#rgb" or "#rrggbb".
func parseColor(s string) (c color, err error) {
	hex, ok := strings.CutPrefix(s, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	if !ok || len(hex) != 6 {
		return c, fmt.Errorf("%q is not a colour: write #rgb or #rrggbb", s)
	}
	for i := range c {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			return c, fmt.Errorf("%q is not a colour: write #rgb or #rrggbb", s)
		}
		c[i] = uint8(v)
	}
	return c, nil
}

func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// luminance is the relative luminance of WCAG 2.2.
func (c color) luminance() float64 {
	var l [3]float64
	for i, v := range c {
		s := float64(v) / 255
		if s <= 0.04045 {
			l[i] = s / 12.92
		} else {
			l[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2]
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix returns the color between a and b: share 0 is a, 1 is b.
func mix(a, b color, share float64) color {
	var c color
	for i := range c {
		c[i] = uint8(math.Round(float64(a[i])*(1-share) + float64(b[i])*share))
	}
	return c
}

// towards moves c to the color "to" until it has a contrast with each of the others. It returns the last one if none
// does.
func towards(c, to color, ratio float64, others ...color) color {
	for share := 0.0; share <= 1; share += 0.02 {
		found, m := true, mix(c, to, share)
		for _, other := range others {
			found = found && contrast(m, other) >= ratio
		}
		if found {
			return m
		}
	}
	return to
}

// readable returns white or black, whichever is read more easily on c.
func readable(c color) color {
	if contrast(white, c) >= contrast(black, c) {
		return white
	}
	return color{0x11, 0x13, 0x18}
}
