package configs

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultText is configs/default.toml: every setting with its default, unit and
// meaning. A test keeps it equal to Default.
//
//go:embed default.toml
var DefaultText string

// Load reads the file at path ("" = none) over the defaults, then the overrides
// "section.key=value". The error joins every problem found, each with its place:
// syntax, unknown settings, values of a wrong type and values out of range.
func Load(path string, overrides []string) (Config, error) {
	c := Default()
	var text string
	var inFile, elsewhere []problem
	if path != "" {
		b, err := readable(path)
		if err != nil {
			return c, err
		}
		text = string(b)
		inFile = decode(text, &c)
	}
	var set []string
	for _, o := range overrides {
		key, problems := override(&c, o)
		for _, p := range problems {
			elsewhere = append(elsewhere, problem{text: "--set " + o + ": " + p.text})
		}
		set = append(set, key)
	}
	for _, err := range split(c.Validate()) {
		if p := place(err, text, set); p.line > 0 {
			inFile = append(inFile, p)
		} else {
			elsewhere = append(elsewhere, p)
		}
	}
	slices.SortStableFunc(inFile, byLine)
	var errs []error
	for _, p := range inFile {
		errs = append(errs, fmt.Errorf("%s: %w", path, p.redacted()))
	}
	for _, p := range elsewhere {
		errs = append(errs, p.redacted())
	}
	return c, errors.Join(errs...)
}

func readable(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read configuration %q: no such file; print a complete one with: kagami check --print-default", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return b, nil
}

// subject is what a problem that Validate found begins with: the setting, or the
// number of the export and the setting.
var subject = regexp.MustCompile(`^(?:export (\d+): )?([a-z0-9_.]+)`)

// place finds where the value comes from with which Validate found fault.
func place(err error, text string, set []string) problem {
	m := subject.FindStringSubmatch(err.Error())
	if m == nil {
		return problem{text: err.Error()}
	}
	nth, _ := strconv.Atoi(m[1]) // 0 when it is no export
	if slices.ContainsFunc(set, func(key string) bool { return key == m[2] || strings.HasPrefix(m[2], key+".") }) {
		return problem{text: "--set " + err.Error()}
	}
	return problem{line: lineOf(text, m[2], max(nth-1, 0)), text: err.Error()}
}

// override sets one setting from "section.key=value". The value is TOML; what is
// no TOML value, or not of the setting's type, is tried as a string.
func override(c *Config, text string) (key string, _ []problem) {
	key, value, ok := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	if !ok || !settingName.MatchString(key) {
		return "", []problem{{text: "want section.key=value, for example capture.workers=2"}}
	}
	value = strings.TrimSpace(value)
	problems := decode(key+" = "+value+"\n", c)
	if len(problems) == 0 || problems[0].unknown {
		return key, problems
	}
	quoted := decode(key+" = "+strconv.Quote(value)+"\n", c)
	if len(quoted) == 0 || problems[0].syntax {
		return key, quoted
	}
	return key, problems
}

var settingName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
