package configs

import (
	_ "embed"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// DefaultText is configs/default.toml: every setting with its default, unit and
// meaning. A test keeps it equal to Default.
//
//go:embed default.toml
var DefaultText string

// Load reads the file at path ("" = none) over the defaults, then the overrides
// "section.key=value". The error joins every problem found: syntax, unknown
// keys and bad values.
func Load(path string, overrides []string) (Config, error) {
	c := Default()
	var errs []error
	if path != "" {
		text, err := readable(path)
		if err != nil {
			return c, err
		}
		// Lists replace the defaults; they are not appended to.
		if err := decode(string(text), &c); err != nil {
			for _, e := range split(err) {
				errs = append(errs, fmt.Errorf("%s: %w", path, e))
			}
		}
	}
	for _, o := range overrides {
		if err := override(&c, o); err != nil {
			errs = append(errs, fmt.Errorf("--set %s: %w", o, err))
		}
	}
	if len(errs) == 0 {
		if err := c.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return c, errors.Join(errs...)
}

func decode(text string, c *Config) error {
	meta, err := toml.Decode(text, c)
	if err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return fmt.Errorf("line %d: %s", p.Position.Line, p.Message)
		}
		return err
	}
	var errs []error
	for _, key := range meta.Undecoded() {
		errs = append(errs, unknown(text, key))
	}
	return errors.Join(errs...)
}

// unknown says where a key stands that means nothing, and what may be meant.
func unknown(text string, key toml.Key) error {
	line := ""
	if n := lineOf(text, key); n > 0 {
		line = fmt.Sprintf("line %d: ", n)
	}
	hint := ""
	if s := nearest(key.String(), Keys()); s != "" {
		hint = fmt.Sprintf("; did you mean %q?", s)
	}
	return fmt.Errorf("%sunknown setting %q%s", line, key.String(), hint)
}

// lineOf finds the line on which a key's last part is set inside its table. The
// decoder gives no position for keys it does not know.
func lineOf(text string, key toml.Key) int {
	table := ""
	want := strings.Join(key, ".")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table = strings.TrimSpace(strings.Trim(strings.SplitN(line, "#", 2)[0], "[] \t"))
			if table == want {
				return i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		full := strings.Trim(strings.TrimSpace(name), `"'`)
		if table != "" {
			full = table + "." + full
		}
		if full == want {
			return i + 1
		}
	}
	return 0
}

// override sets one setting from "section.key=value". The value is TOML; a word
// that is no TOML value is taken as a string.
func override(c *Config, text string) error {
	key, value, ok := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	if !ok || key == "" || strings.ContainsAny(key, "[]\n\"'") {
		return errors.New("want section.key=value, for example capture.workers=2")
	}
	err := decode(key+" = "+value+"\n", c)
	if err != nil && !strings.Contains(err.Error(), "unknown setting") {
		if err2 := decode(key+" = "+quote(value)+"\n", c); err2 == nil {
			return nil
		}
	}
	return err
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// Keys are all settings, "section.key", in the order of the file.
func Keys() []string {
	var keys []string
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name := strings.Split(f.Tag.Get("toml"), ",")[0]
			if name == "" || name == "-" {
				continue
			}
			ft := f.Type
			if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				walk(prefix+name+".", ft)
			} else {
				keys = append(keys, prefix+name)
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
	return keys
}

// nearest is the known key that differs least from got, "" if none is near.
func nearest(got string, keys []string) string {
	best, at := 4, ""
	last := got[strings.LastIndexByte(got, '.')+1:]
	for _, k := range keys {
		d := distance(got, k)
		if k[strings.LastIndexByte(k, '.')+1:] == last {
			d = min(d, 3) // right key, wrong section
		}
		if d < best {
			best, at = d, k
		}
	}
	return at
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
