package page

import (
	"fmt"
	"slices"
)

// texts are the messages of one language.
type texts struct {
	language string
	messages map[string]string
	reasons  []phrase // how the chain's own English sentences read, nil = as they are
}

// textsOf finds a language by its tag (BCP 47).
func textsOf(language string) (*texts, error) {
	switch language {
	case "", "en":
		return &texts{"en", english, nil}, nil
	case "ja":
		return &texts{"ja", japanese, slices.Concat(japaneseReasons, japaneseHoles)}, nil
	}
	return nil, fmt.Errorf("write page: language %q is not known: en, ja", language)
}

// kind names what has a kind. One that is new is named as it is.
func (t *texts) kind(of, kind string) string {
	if m, ok := t.messages[of+kind]; ok {
		return m
	}
	return short(defang(kind), 60)
}

// say is a message.
func (t *texts) say(key string, args ...any) string {
	if len(args) == 0 {
		return t.messages[key]
	}
	return fmt.Sprintf(t.messages[key], args...)
}
