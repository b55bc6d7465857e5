package page

import "fmt"

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
		return &texts{"ja", japanese, japaneseReasons}, nil
	}
	return nil, fmt.Errorf("write page: language %q is not known: en, ja", language)
}

// say is a message. What has none, such as a kind that is new, is said as it is.
func (t *texts) say(key string, args ...any) string {
	m, ok := t.messages[key]
	switch {
	case !ok:
		return short(key, 80)
	case len(args) == 0:
		return m
	}
	return fmt.Sprintf(m, args...)
}
