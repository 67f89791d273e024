package gallery

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"math"
	"slices"
	"testing"
)

// colours are as many as a picture has at most.
const colours = 32

// reduced writes a picture with few colours. The first is the one that the picture has most often; each other is the
// one whose pixels are worst off without it, so that a small mark keeps its colours beside the greys of the text.
func reduced(t testing.TB, data []byte) []byte {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	full := image.NewRGBA(decoded.Bounds())
	draw.Draw(full, full.Bounds(), decoded, decoded.Bounds().Min, draw.Src)
	count := map[color.RGBA]int{}
	for i := 0; i < len(full.Pix); i += 4 {
		count[color.RGBA{full.Pix[i], full.Pix[i+1], full.Pix[i+2], 255}]++
	}
	few, nearest := palette(count)
	out := image.NewPaletted(full.Bounds(), few)
	for i := range out.Pix {
		out.Pix[i] = nearest[color.RGBA{full.Pix[4*i], full.Pix[4*i+1], full.Pix[4*i+2], 255}]
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// palette chooses colours of a picture, and returns for each colour which of them is the nearest.
func palette(count map[color.RGBA]int) (few color.Palette, nearest map[color.RGBA]uint8) {
	rank := func(c color.RGBA) uint32 { return uint32(c.R)<<16 | uint32(c.G)<<8 | uint32(c.B) }
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(rank(a), rank(b)))
	})
	nearest = make(map[color.RGBA]uint8, len(all))
	away := make([]float64, len(all)) // from the nearest colour of few
	for i := range away {
		away[i] = math.Inf(1)
	}
	for at := 0; len(few) < min(colours, len(all)); {
		chosen := all[at]
		few = append(few, chosen)
		worst := -1.0
		for i, c := range all {
			if d := distance(c, chosen); d < away[i] {
				away[i], nearest[c] = d, uint8(len(few)-1)
			}
			if lost := away[i] * float64(count[c]); lost > worst {
				worst, at = lost, i
			}
		}
	}
	return few, nearest
}

func distance(a, b color.RGBA) float64 {
	square := func(x, y uint8) float64 { return (float64(x) - float64(y)) * (float64(x) - float64(y)) }
	return square(a.R, b.R) + square(a.G, b.G) + square(a.B, b.B)
}

// TestReduced: a picture of many greys keeps a small mark in its colours.
func TestReduced(t *testing.T) {
	full := image.NewRGBA(image.Rect(0, 0, 256, 40))
	mark := []color.RGBA{{234, 67, 53, 255}, {66, 133, 244, 255}, {251, 188, 5, 255}, {52, 168, 83, 255}}
	for x := range 256 {
		for y := range 40 {
			full.SetRGBA(x, y, color.RGBA{uint8(x), uint8(x), uint8(x), 255})
		}
	}
	for i, c := range mark {
		for n := range 12 {
			full.SetRGBA(i*12+n, 3, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, full); err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(reduced(t, b.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.(*image.Paletted).Palette); n != colours {
		t.Errorf("%d colours, want %d", n, colours)
	}
	for i, c := range mark {
		if at := got.At(i*12+5, 3); distance(color.RGBAModel.Convert(at).(color.RGBA), c) > 0 {
			t.Errorf("the mark has %v, want %v", at, c)
		}
	}
	for x := range 256 {
		if is := color.RGBAModel.Convert(got.At(x, 20)).(color.RGBA); distance(is, color.RGBA{uint8(x), uint8(x), uint8(x), 255}) > 3*16*16 {
			t.Errorf("the grey %d is %v", x, is)
		}
	}
}
