package exporters

import (
	"encoding/json"
	"strings"
)

// Limits of what chats take: Slack's header has 150 characters and its sections
// 3000; a card of Teams 28 KB in all.
const (
	maxHeader  = 150
	maxSection = 2800
	maxFact    = 300
)

// piece is a part of a message; json.Marshal orders its members.
type piece map[string]any

// slackMessage is an alert in Block Kit. Only the command is mrkdwn, in a code
// block; the rest is plain text, in which nothing has a meaning.
func slackMessage(a *alertText, w labels) ([]byte, error) {
	plain := func(s string, limit int) piece {
		return piece{"type": "plain_text", "text": cut(s, limit), "emoji": false}
	}
	head := a.headline(w)
	blocks := []piece{{"type": "header", "text": plain(head, maxHeader)}}
	var fields []piece
	for _, f := range a.facts(w) {
		fields = append(fields, plain(f[0]+": "+f[1], maxFact))
	}
	blocks = append(blocks, piece{"type": "section", "fields": fields})
	for _, p := range a.paragraphs(w) {
		blocks = append(blocks, piece{"type": "section", "text": plain(p.text("• "), maxSection)})
	}
	if a.Fetch != "" {
		blocks = append(blocks, piece{"type": "section", "text": piece{"type": "mrkdwn", "verbatim": true,
			"text": slackEscape(w.fetch) + ":\n```" + slackEscape(strings.ReplaceAll(cut(oneLine(a.Fetch), maxSection/5), "`", "'")) + "```"}})
	}
	return marshal(piece{"text": slackEscape(cut(head, maxSection/5)), "mrkdwn": false, "blocks": blocks})
}

// slackEscape escapes what Slack's mrkdwn gives a meaning everywhere: links,
// mentions and channels all begin with "<".
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// teamsMessage is an alert as an adaptive card. Its texts are runs of rich text,
// which know no Markdown.
func teamsMessage(a *alertText, w labels) ([]byte, error) {
	block := func(runs ...piece) piece { return piece{"type": "RichTextBlock", "inlines": runs} }
	run := func(s string, limit int) piece { return piece{"type": "TextRun", "text": cut(s, limit)} }
	bold := func(s string, limit int) piece {
		return piece{"type": "TextRun", "text": cut(s, limit), "weight": "Bolder"}
	}
	head := bold(a.headline(w), maxHeader)
	head["size"] = "Large"
	if a.Severity == "high" {
		head["color"] = "Attention"
	}
	body := []piece{block(head)}
	for _, f := range a.facts(w) {
		body = append(body, block(bold(f[0]+": ", maxFact), run(f[1], maxFact)))
	}
	for _, p := range a.paragraphs(w) {
		body = append(body, block(bold(p.heading, maxFact)))
		rest := maxSection
		for _, s := range p.sentences {
			if rest -= len(s); rest < 0 {
				break
			}
			body = append(body, block(run("• "+oneLine(s), maxSection)))
		}
	}
	if a.Fetch != "" {
		body = append(body, block(bold(w.fetch, maxFact)),
			block(piece{"type": "TextRun", "text": cut(oneLine(a.Fetch), maxSection/5), "fontType": "Monospace"}))
	}
	return marshal(piece{"type": "message", "attachments": []piece{{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content": piece{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"msteams": piece{"width": "Full"}, "body": body},
	}}})
}

// text is the heading and a line for each sentence.
func (p *paragraph) text(bullet string) string {
	var b strings.Builder
	b.WriteString(p.heading + ":")
	for _, s := range p.sentences {
		b.WriteString("\n" + bullet + oneLine(s))
	}
	return b.String()
}

// marshal leaves "<" and ">" as they are: no browser reads this as HTML.
func marshal(o piece) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
