package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed page.css
var pageCSS string

//go:embed password.js
var passwordJS []byte

// A file is one that the pages load.
type file struct {
	kind       string // media type
	content    []byte
	sum        string        // of the content, for its tag
	compressed func() []byte // by gzip, made when it is asked for first: a start needs none; nil if it is not shorter
}

// add keeps a file under a name that holds the hash of its content, and returns the name.
func (p *Pages) add(name, extension, kind string, content []byte) string {
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:8])
	name += "." + hash + extension
	p.files[name] = file{kind, content, hash, sync.OnceValue(func() []byte { return compressed(content) })}
	return name
}

// compressed returns the content by gzip, if that is shorter.
func compressed(content []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(content); err != nil || z.Close() != nil || b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

func (p *Pages) addFiles(t Theme) {
	p.script = p.add("scripts/password", ".js", "text/javascript; charset=utf-8", passwordJS)
	p.sheet = p.add("page", ".css", "text/css; charset=utf-8", []byte(p.theme.css()+pageCSS))
	for _, one := range []struct {
		name string
		data []byte
		to   *image
	}{{"logo", t.Logo, &p.theme.logo}, {"logo-dark", t.LogoDark, &p.theme.logoDark}, {"icon", t.Favicon, &p.theme.icon}} {
		if len(one.data) == 0 {
			continue
		}
		pic, err := readPicture(one.data, one.name == "icon")
		if err != nil {
			continue // refused by New before
		}
		*one.to = image{Name: p.add(one.name, pic.extension, pic.kind, one.data), Type: pic.kind, Wide: pic.width > 2*pic.height && pic.height > 0}
		if pic.height > 0 {
			one.to.Height = 40
			one.to.Width = min(max(1, pic.width*40/pic.height), 240)
		}
	}
}

// An image is a file that a page shows.
type image struct {
	Name, Type    string
	Width, Height int // in CSS pixels
	Wide          bool
}

// Sheet returns the name of the style sheet, for pages of the application in the same design. It is served at
// {base}/assets/ and changes with its content.
func (p *Pages) Sheet() string { return p.sheet }

// takesGzip reports whether an Accept-Encoding header allows gzip (RFC 9110 section 12.5.3).
func takesGzip(header string) bool {
	others := false
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, weighted := strings.Cut(part, ";")
		_, q, _ := strings.Cut(weight, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		takes := !weighted || err == nil && n > 0
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return takes
		case "*":
			others = takes
		}
	}
	return others
}

// matches reports whether an If-None-Match header has a tag (RFC 9110 section 13.1.2).
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

// ServeHTTP serves the files of the pages, for postern.Config.Assets. Their names hold a hash of what is in them.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p.files[strings.TrimPrefix(path.Clean(r.URL.Path), "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h, content, tag := w.Header(), f.content, `"`+f.sum+`"`
	h.Add("Vary", "Accept-Encoding")
	packed := takesGzip(r.Header.Get("Accept-Encoding"))
	if packed {
		if short := f.compressed(); short != nil {
			content, tag = short, `"`+f.sum+`-gzip"`
		} else {
			packed = false
		}
	}
	h.Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	if packed {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that has gone needs no file
	}
}
