package totp

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testneed"
)

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// paint draws the path of a figure as a picture, with its own reader of the path.
func paint(t testing.TB, f *postern.Figure, scale int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, f.Size*scale, f.Size*scale))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	rest := f.Path
	for _, m := range run.FindAllStringSubmatch(f.Path, -1) {
		rest = strings.Replace(rest, m[0], "", 1)
		x, _ := strconv.Atoi(m[1])
		y, _ := strconv.Atoi(m[2])
		n, _ := strconv.Atoi(m[3])
		if m[3] != m[4] || x+n > f.Size-quiet || x < quiet || y < quiet || y >= f.Size-quiet {
			t.Fatalf("the run %q", m[0])
		}
		for px := x * scale; px < (x+n)*scale; px++ {
			for py := y * scale; py < (y+1)*scale; py++ {
				img.SetGray(px, py, color.Gray{})
			}
		}
	}
	if rest != "" {
		t.Fatalf("the path has %q", rest)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decode reads a QR code from a PNG with a program that has nothing in common with the one that made it.
func decode(t testing.TB, picture []byte) string {
	t.Helper()
	zbar := testneed.Binary(t, "zbarimg", "Debian package zbar-tools")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, zbar, "--quiet", "--raw", "--oneshot", "--nodbus", file).Output()
	if err != nil {
		t.Fatalf("zbarimg: %v\n%s", err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// TestM7_PictureIsRead: a foreign decoder reads the address from the picture, byte for byte, and the address has what
// an app needs.
func TestM7_PictureIsRead(t *testing.T) {
	for _, c := range []struct{ app, account, label string }{
		{"Example Shop", "ada@example.com", "Example Shop:ada@example.com"},
		{"Müller & Söhne", "ada.łovelace+1@例え.example", "Müller & Söhne:ada.łovelace+1@例え.example"},
		{"a:b", "c:d", "a b:c d"},
		{"100% ?#/&=+", "a b/c?d=e&secret=AAAA", "100% ?#/&=+:a b/c?d=e&secret=AAAA"},
		{strings.Repeat("長", 100), strings.Repeat("名", 100), strings.Repeat("長", 64) + ":" + strings.Repeat("名", 64)},
	} {
		seed := []byte("12345678901234567890")
		uri := address(c.app, c.account, seed)
		figure, err := picture(uri, "text")
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, paint(t, figure, 4)); got != uri {
			t.Errorf("read back %q\nwant %q", got, uri)
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		app, _, _ := strings.Cut(c.label, ":")
		q := u.Query()
		if u.Scheme != "otpauth" || u.Host != "totp" || strings.TrimPrefix(u.Path, "/") != c.label || strings.Count(u.EscapedPath(), ":") != 1 || strings.ContainsAny(uri, "+ ") {
			t.Errorf("%s: label %q", uri, u.Path)
		}
		if q.Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || q.Get("issuer") != app || q.Get("algorithm") != "SHA1" || q.Get("digits") != "6" || q.Get("period") != "30" || len(q) != 5 {
			t.Errorf("%s: %v", uri, q)
		}
	}
}

// The smallest picture is exact for every decoder: each address of many accounts is read back.
func TestM7_PicturesOfManySeeds(t *testing.T) {
	for i := range 12 {
		seed := bytes.Repeat([]byte{byte(i * 21), byte(255 - i), 0, 255}, 5)
		uri := address("Example", fmt.Sprintf("user%d@example.com", i*i*i), seed)
		figure, err := picture(uri, "text")
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, paint(t, figure, 2+i%5)); got != uri {
			t.Errorf("read back %q\nwant %q", got, uri)
		}
	}
}
