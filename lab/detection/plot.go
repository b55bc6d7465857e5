package detection

import (
	"fmt"
	"math"
	"strconv"
)

// grid is a table of shares drawn as a heat map: the darker, the more. A value
// that is not a number is left out.
type grid struct {
	title      string
	rows, cols []string
	value      [][]float64 // by row and column, 0 to 1
}

// heatMap draws panels side by side.
func heatMap(title, about, rowLabel, colLabel string, panels []grid) string {
	const cell, high, left, top = 62.0, 30.0, 96.0, 92.0
	wide := left
	for _, p := range panels {
		wide += float64(len(p.cols))*cell + 40
	}
	s := newSVG(wide, top+float64(len(panels[0].rows))*high+52, title, about)
	x := left
	for i, p := range panels {
		s.text(x, top-34, 13, "start", "bold", p.title)
		for c, name := range p.cols {
			s.text(x+(float64(c)+0.5)*cell, top-10, 12, "middle", "normal", name)
		}
		for r, name := range p.rows {
			y := top + float64(r)*high
			if i == 0 {
				s.text(left-8, y+high/2+4, 12, "end", "normal", name)
			}
			for c := range p.cols {
				s.cell(x+float64(c)*cell, y, cell-2, high-2, p.value[r][c])
			}
		}
		s.text(x+float64(len(p.cols))*cell/2, top+float64(len(p.rows))*high+20, 12, "middle", "normal", colLabel)
		x += float64(len(p.cols))*cell + 40
	}
	s.upward(22, top+float64(len(panels[0].rows))*high/2, 12, rowLabel)
	s.text(left, s.height-10, 11, "start", "normal", "Numbers are percent of the attacks found; white 0, dark 100.")
	return s.String()
}

func (s *svg) cell(x, y, w, h, v float64) {
	if math.IsNaN(v) {
		s.text(x+w/2, y+h/2+4, 12, "middle", "normal", "–")
		return
	}
	shade := func(from, to float64) int { return int(math.Round(from + (to-from)*v)) }
	s.rect(x, y, w, h, fmt.Sprintf("#%02x%02x%02x", shade(244, 12), shade(247, 62), shade(250, 116)))
	color := ink
	if v > 0.5 {
		color = "#ffffff"
	}
	s.colored(x+w/2, y+h/2+4, 12, "middle", "normal", color, strconv.Itoa(int(math.Floor(v*100+1e-9))))
}

// curve is a line of a chart. Points that are not a number break it.
type curve struct {
	name   string
	points [][2]float64
	color  string
	dash   string
	bold   bool
}

// axis is one of a chart's, logarithmic unless it is linear.
type axis struct {
	label    string
	low, top float64
	ticks    []tick
	linear   bool
}

type tick struct {
	at   float64
	name string
}

// place is where a value is between 0 and 1.
func (a *axis) place(v float64) float64 {
	if a.linear {
		return (v - a.low) / (a.top - a.low)
	}
	return math.Log(v/a.low) / math.Log(a.top/a.low)
}

// chart draws curves over two axes, names at the right.
func chart(title, about string, x, y axis, curves []curve) string {
	const left, right, top, bottom, wide, high = 72.0, 240.0, 50.0, 58.0, 560.0, 340.0
	s := newSVG(left+wide+right, top+high+bottom, title, about)
	at := func(p [2]float64) (float64, float64) {
		return left + wide*x.place(p[0]), top + high*(1-min(1, max(0, y.place(p[1]))))
	}
	for _, t := range y.ticks {
		_, py := at([2]float64{x.low, t.at})
		s.line(left, py, left+wide, py, faint, 1, "")
		s.text(left-8, py+4, 12, "end", "normal", t.name)
	}
	for _, t := range x.ticks {
		px, _ := at([2]float64{t.at, y.low})
		s.line(px, top, px, top+high, faint, 1, "")
		s.text(px, top+high+18, 12, "middle", "normal", t.name)
	}
	s.line(left, top+high, left+wide, top+high, ink, 1, "")
	s.line(left, top, left, top+high, ink, 1, "")
	s.text(left+wide/2, top+high+42, 12, "middle", "normal", x.label)
	s.upward(20, top+high/2, 12, y.label)
	for i, c := range curves {
		s.curve(c, i, at)
		ly := top + 14 + float64(i)*22
		width := 1.5
		if c.bold {
			width = 3
		}
		s.line(left+wide+14, ly-4, left+wide+44, ly-4, c.color, width, c.dash)
		s.marker(left+wide+29, ly-4, i, c.color)
		s.text(left+wide+52, ly, 12, "start", "normal", c.name+c.silence())
	}
	return s.String()
}

// silence says that a curve has no point to be drawn.
func (c *curve) silence() string {
	for _, p := range c.points {
		if !math.IsNaN(p[1]) {
			return ""
		}
	}
	return ": never"
}

func (s *svg) curve(c curve, shape int, at func([2]float64) (float64, float64)) {
	var run [][2]float64
	width := 1.5
	if c.bold {
		width = 3
	}
	flush := func() {
		if len(run) > 1 {
			s.path(run, c.color, width, c.dash)
		}
		for _, p := range run {
			s.marker(p[0], p[1], shape, c.color)
		}
		run = nil
	}
	for _, p := range c.points {
		if math.IsNaN(p[1]) {
			flush()
			continue
		}
		px, py := at(p)
		run = append(run, [2]float64{px, py})
	}
	flush()
}

// bar is one of a bar chart: named, with a value and a mark that it should stay under (0 = none).
type bar struct {
	name        string
	value, goal float64
	text        string
	color       string
}

// bars draws horizontal bars over a logarithmic axis; what is less than its
// beginning is drawn as nothing and told by its text.
func bars(title, about string, x axis, list []bar) string {
	const left, right, top, wide, high = 250.0, 120.0, 50.0, 420.0, 26.0
	bottom := top + float64(len(list))*high
	s := newSVG(left+wide+right, bottom+64, title, about)
	for _, t := range x.ticks {
		px := left + wide*x.place(t.at)
		s.line(px, top-4, px, bottom, faint, 1, "")
		s.text(px, bottom+18, 12, "middle", "normal", t.name)
	}
	for i, b := range list {
		y := top + float64(i)*high
		s.text(left-8, y+high/2+4, 12, "end", "normal", b.name)
		w := 0.0
		if b.value > x.low {
			w = wide * min(1, x.place(b.value))
		}
		s.rect(left, y+4, max(w, 1), high-8, b.color)
		if b.goal > 0 {
			px := wide * x.place(b.goal)
			s.line(left+px, y+1, left+px, y+high-1, "#c00000", 2, "3 2")
			if px > w-6 && px < w+70 {
				w = px // the text stands behind the mark
			}
		}
		s.text(left+w+6, y+high/2+4, 12, "start", "normal", b.text)
	}
	s.line(left, top-4, left, bottom, ink, 1, "")
	s.text(left+wide/2, bottom+42, 12, "middle", "normal", x.label)
	return s.String()
}
