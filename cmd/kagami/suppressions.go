package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"kagami/detectors/incident"
	"kagami/detectors/suppress"
)

// suppressions are the list in use: SIGHUP puts another in its place while the
// detectors run. The zero value suppresses nothing.
type suppressions struct {
	path string
	text []byte // of the list in use
	list atomic.Pointer[suppress.List]
}

// openSuppressions reads the list that the configuration names.
func openSuppressions(path string, log *slog.Logger) (*suppressions, error) {
	s := &suppressions{path: path}
	if path == "" {
		return s, nil
	}
	_, err := s.reload(log)
	return s, err
}

// Suppressed implements incident.Suppressor.
func (s *suppressions) Suppressed(f *incident.Finding, l incident.Level) (by string, ok bool) {
	if list := s.list.Load(); list != nil {
		return list.Suppressed(f, l)
	}
	return "", false
}

// reload reads the list again. One with a mistake is refused, and the old one
// stays: nobody should believe that something is silenced when it is not.
func (s *suppressions) reload(log *slog.Logger) (changed bool, err error) {
	if s.path == "" {
		return false, nil
	}
	text, list, err := readSuppressions(s.path)
	if err != nil || s.text != nil && string(text) == string(s.text) {
		return false, err
	}
	s.text = text
	s.list.Store(list)
	log.Info("suppressions in use", "file", s.path, "entries", list.Len())
	return true, nil
}

// readSuppressions reads a list; the error joins all its mistakes.
func readSuppressions(path string) ([]byte, *suppress.List, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read suppressions: %w", err)
	}
	list, errs := suppress.Parse(text)
	for i := range errs {
		errs[i] = fmt.Errorf("%s: %w", path, errs[i])
	}
	return text, list, errors.Join(errs...)
}
