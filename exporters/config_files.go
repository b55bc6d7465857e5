package exporters

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"kagami/exporters/secret"
)

// CheckFiles returns every problem of the files that c's URL names: authority,
// certificate, key, and what holds a password. It opens nothing else, and connects
// nowhere. What only the user that Kagami runs as may read, nobody else can judge:
// that is no problem. c is valid.
func (c Config) CheckFiles() error {
	u, err := url.Parse(c.To)
	if err != nil {
		return nil // Validate says so
	}
	var t tlsOptions
	var problems []error
	options := u.Query()
	for _, name := range slices.Sorted(maps.Keys(options)) {
		ref := options.Get(name)
		if !t.set(name, ref) && slices.Contains(secretOptions, name) && strings.HasPrefix(ref, "file:") {
			if _, err := secret.Read(ref); err != nil {
				problems = append(problems, fmt.Errorf("read %s: %w", name, err))
			}
		}
	}
	if _, err := t.config(); err != nil {
		problems = append(problems, err)
	}
	problems = slices.DeleteFunc(problems, ofAnotherUser)
	for i, err := range problems {
		problems[i] = fmt.Errorf("export %s: %w", c.Title(), err)
	}
	return errors.Join(problems...)
}

// ofAnotherUser tells whether err may come of who asks: not the sensor's user, or
// root for a sensor that becomes another one.
func ofAnotherUser(err error) bool {
	return errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 && errors.Is(err, secret.ErrOwner)
}
