package page

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"kagami/evidence/replay"
)

//go:embed page.html
var pageText string

// Options say how a page is written.
type Options struct {
	Language  string // "en" or "ja", "" = en
	Live      bool   // web addresses as they are, instead of hxxp and [.]
	Version   string // of the program, "" = not said
	Directory string // where the replay's files are, "" = DIR
	Password  string // of objects.zip, "" = infected
}

// Bounds of a page: however much a capture holds, people read so much.
const (
	maxStories      = 8
	maxSteps        = 24
	maxWeak         = 20
	maxChain        = 400
	maxTimeline     = 150
	maxTransactions = 500
	maxObjects      = 200
	maxLookups      = 200
	maxDark         = 100
	maxHoles        = 300
	maxExcerpts     = 24
	maxFilter       = 60 // terms of a display filter

	urlShown  = 240 // characters
	textShown = 400
)

// Write writes the page of a Reading and its Chain; of a Reading alone it builds the
// Chain itself.
func Write(w io.Writer, r *replay.Reading, c *replay.Chain, o Options) error {
	t, err := textsOf(o.Language)
	if err != nil {
		return err
	}
	o.Directory, o.Password = cmp.Or(o.Directory, "DIR"), cmp.Or(o.Password, "infected")
	if c == nil {
		c = replay.Build(r)
	}
	v := newView(r, c, t, o)
	tmpl, err := template.New("page").Funcs(template.FuncMap{
		"m": t.say, "num": func(n int) string { return number(int64(n)) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	b := bufio.NewWriter(w)
	if err := tmpl.Execute(b, v); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
