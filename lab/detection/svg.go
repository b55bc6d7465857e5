package detection

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// svg draws a figure by hand: shapes and text only, dark on white, so that it is
// readable on any page and in grey.
type svg struct {
	b             strings.Builder
	width, height float64
}

const (
	ink    = "#1b1f24"
	faint  = "#d0d4d9"
	letter = "font-family=\"Helvetica,Arial,sans-serif\""
)

func newSVG(width, height float64, title, about string) *svg {
	s := &svg{width: width, height: height}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" %s>`,
		num(width), num(height), num(width), num(height), letter)
	fmt.Fprintf(&s.b, "\n<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(about))
	s.rect(0, 0, width, height, "#ffffff")
	s.text(16, 26, 16, "start", "bold", title)
	return s
}

func (s *svg) String() string { return s.b.String() + "</svg>\n" }

func (s *svg) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(&s.b, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", num(x), num(y), num(w), num(h), fill)
}

// text writes at a base line; anchor is start, middle or end, weight normal or bold.
func (s *svg) text(x, y, size float64, anchor, weight, text string) {
	s.colored(x, y, size, anchor, weight, ink, text)
}

func (s *svg) colored(x, y, size float64, anchor, weight, color, text string) {
	fmt.Fprintf(&s.b, `<text x="%s" y="%s" font-size="%s" text-anchor="%s" font-weight="%s" fill="%s">%s</text>`+"\n",
		num(x), num(y), num(size), anchor, weight, color, escape(text))
}

// upward writes from bottom to top, centred at a point.
func (s *svg) upward(x, y, size float64, text string) {
	fmt.Fprintf(&s.b, `<text transform="translate(%s %s) rotate(-90)" font-size="%s" text-anchor="middle" fill="%s">%s</text>`+"\n",
		num(x), num(y), num(size), ink, escape(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, color string, width float64, dash string) {
	fmt.Fprintf(&s.b, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="%s"%s/>`+"\n",
		num(x1), num(y1), num(x2), num(y2), color, num(width), dashed(dash))
}

func (s *svg) path(points [][2]float64, color string, width float64, dash string) {
	var d strings.Builder
	for i, p := range points {
		d.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		d.WriteString(num(p[0]) + " " + num(p[1]))
	}
	fmt.Fprintf(&s.b, `<path d="%s" fill="none" stroke="%s" stroke-width="%s"%s/>`+"\n", d.String(), color, num(width), dashed(dash))
}

func dashed(dash string) string {
	if dash == "" {
		return ""
	}
	return ` stroke-dasharray="` + dash + `"`
}

// marker draws one of several shapes, so that lines are told apart without color.
func (s *svg) marker(x, y float64, shape int, color string) {
	const r = 4
	switch shape % 5 {
	case 0:
		fmt.Fprintf(&s.b, `<circle cx="%s" cy="%s" r="%d" fill="%s"/>`+"\n", num(x), num(y), r, color)
	case 1:
		s.rect(x-r+0.5, y-r+0.5, 2*r-1, 2*r-1, color)
	case 2:
		fmt.Fprintf(&s.b, `<path d="M%s %sL%s %sL%s %sZ" fill="%s"/>`+"\n", num(x), num(y-r-1), num(x+r+1), num(y+r), num(x-r-1), num(y+r), color)
	case 3:
		fmt.Fprintf(&s.b, `<circle cx="%s" cy="%s" r="%d" fill="#ffffff" stroke="%s" stroke-width="1.5"/>`+"\n", num(x), num(y), r, color)
	default:
		fmt.Fprintf(&s.b, `<path d="M%s %sL%s %sM%s %sL%s %s" stroke="%s" stroke-width="2"/>`+"\n",
			num(x-r), num(y-r), num(x+r), num(y+r), num(x-r), num(y+r), num(x+r), num(y-r), color)
	}
}

// num writes a coordinate shortly, and the same on every machine.
func num(x float64) string {
	s := fmt.Sprintf("%.1f", math.Round(x*10)/10)
	return strings.TrimSuffix(s, ".0")
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}
