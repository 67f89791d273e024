package ui

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A picture is a logo or an icon that was checked.
type picture struct {
	kind          string // media type
	extension     string
	width, height int // as it is drawn; 0: not known
}

const maxPicture = 64 << 10

// readPicture recognizes a picture by what is in it.
func readPicture(data []byte, icon bool) (picture, error) {
	switch {
	case len(data) > maxPicture:
		return picture{}, fmt.Errorf("the picture has %d bytes, and may have %d", len(data), maxPicture)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) && len(data) > 24 && string(data[12:16]) == "IHDR":
		p := picture{"image/png", ".png", int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))}
		if p.width < 1 || p.height < 1 || p.width > 4096 || p.height > 4096 {
			return p, errors.New("the PNG has no side of 1 to 4096 pixels")
		}
		return p, nil
	case icon && bytes.HasPrefix(data, []byte{0, 0, 1, 0}):
		return picture{kind: "image/x-icon", extension: ".ico"}, nil
	case bytes.HasPrefix(bytes.TrimLeft(data, "\ufeff \t\r\n"), []byte("<")):
		return readSVG(data)
	}
	if icon {
		return picture{}, errors.New("the picture is neither SVG, PNG nor ICO")
	}
	return picture{}, errors.New("the picture is neither SVG nor PNG")
}

// forbidden are elements of SVG that run something, hold HTML, or load something.
var forbidden = map[string]bool{
	"script": true, "foreignobject": true, "iframe": true, "image": true, "feimage": true, "audio": true, "video": true, "embed": true,
	"object": true, "handler": true, "listener": true, "a": true, "set": true, "animate": true, "animatemotion": true, "animatetransform": true,
}

const svgSpace = "http://www.w3.org/2000/svg"

// readSVG refuses an SVG that could do more than be looked at.
func readSVG(data []byte) (picture, error) {
	p := picture{kind: "image/svg+xml", extension: ".svg"}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = true
	var style *strings.Builder // of the element <style> that is open: comments and CDATA may divide its text
	first := true
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return p, fmt.Errorf("the SVG is not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return p, errors.New("the SVG has a DOCTYPE: remove it")
		case xml.ProcInst:
			if t.Target != "xml" {
				return p, fmt.Errorf("the SVG has an instruction <?%s?>: remove it", t.Target)
			}
		case xml.StartElement:
			name := strings.ToLower(t.Name.Local)
			if first && name != "svg" {
				return p, errors.New("the picture is XML, but not SVG")
			}
			if forbidden[name] || style != nil {
				return p, fmt.Errorf("the SVG has the element <%s>: remove it", t.Name.Local)
			}
			if t.Name.Space != svgSpace && t.Name.Space != "" {
				return p, fmt.Errorf("the SVG has the element <%s>, which is not SVG: save it as a plain SVG", t.Name.Local)
			}
			for _, a := range t.Attr {
				if err := checkAttribute(a); err != nil {
					return p, err
				}
			}
			if first {
				p.width, p.height = sizeOf(t)
			}
			if first = false; name == "style" {
				style = new(strings.Builder)
			}
		case xml.EndElement:
			if style != nil && loads(style.String()) {
				return p, errors.New("a style of the SVG refers to another file: remove it")
			}
			style = nil
		case xml.CharData:
			if style != nil {
				style.Write(t)
			}
		}
	}
	if first {
		return p, errors.New("the SVG has no element <svg>")
	}
	return p, nil
}

func checkAttribute(a xml.Attr) error {
	name, value := strings.ToLower(a.Name.Local), strings.TrimSpace(a.Value)
	switch {
	case strings.HasPrefix(name, "on"), name == "base": // of XML: references of the picture itself would lead elsewhere
		return fmt.Errorf("the SVG has the attribute %s: remove it", a.Name.Local)
	case (name == "href" || name == "src") && !strings.HasPrefix(value, "#"):
		return errors.New("the SVG refers to another file: remove the attribute " + a.Name.Local)
	case a.Name.Space != "xmlns" && name != "xmlns" && loads(value):
		return fmt.Errorf("the attribute %s of the SVG refers to another file: remove it", a.Name.Local)
	}
	return nil
}

// loads reports whether a style refers to something outside of the file.
func loads(style string) bool {
	s := strings.ToLower(strings.Join(strings.Fields(style), ""))
	if strings.Contains(s, "@import") || strings.Contains(s, `\`) || strings.Contains(s, "javascript:") || strings.Contains(s, "expression(") {
		return true
	}
	for _, function := range []string{"url(", "src(", "image("} {
		for rest := s; ; {
			_, after, found := strings.Cut(rest, function)
			if !found {
				break
			}
			if rest = strings.TrimLeft(after, `'"`); !strings.HasPrefix(rest, "#") {
				return true
			}
		}
	}
	return strings.Contains(s, "image-set(")
}

// sizeOf returns the size of an SVG: that of its viewBox, or its width and height.
func sizeOf(svg xml.StartElement) (width, height int) {
	number := func(s string) int {
		f, err := strconv.ParseFloat(strings.TrimSuffix(s, "px"), 64)
		if err != nil || f < 1 || f > 1e5 {
			return 0
		}
		return int(f + 0.5)
	}
	var box []string
	for _, a := range svg.Attr {
		switch a.Name.Local {
		case "viewBox":
			box = strings.FieldsFunc(a.Value, func(r rune) bool { return r == ' ' || r == ',' })
		case "width":
			width = number(a.Value)
		case "height":
			height = number(a.Value)
		}
	}
	if len(box) == 4 && number(box[2]) > 0 && number(box[3]) > 0 {
		return number(box[2]), number(box[3])
	}
	return width, height
}
