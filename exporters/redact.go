package exporters

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"kagami/exporters/secret"
)

// redacted stands for what is not shown.
const redacted = "xxxxx"

// secretOptions are the options of places that name a secret.
var secretOptions = []string{"api_key", "credentials", "password", "token", "url"}

// plainOptions are the options of places whose values may be shown. What is in
// neither list may be a misspelt password: it is not shown either.
var plainOptions = []string{"all", "ca", "cert", "compress", "compression", "domain", "facility", "framing", "from", "fsync", "keep", "key", "lang", "max",
	"mode", "pen", "per_hour", "rate", "rfc", "rotate", "rotate_bytes", "sasl", "server_name", "starttls", "stream", "style", "tag", "time", "timeout", "to", "user", "within"}

// Redact is the URL of a place as it may be shown, in logs, errors, metrics: without
// passwords, wherever somebody put one. References to secrets (env:, file:) are shown.
func Redact(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return redactBroken(to)
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, OmitHost: u.OmitHost}
	if _, ok := u.User.Password(); ok {
		shown.User = url.UserPassword(u.User.Username(), redacted)
	} else if u.User != nil { // a token, as some write it
		shown.User = url.User(redacted)
	}
	if hidesPath(u.Scheme) && len(shown.Path) > 1 {
		shown.Path, shown.RawPath = "/"+redacted, ""
	}
	text := shown.String()
	if u.Opaque != "" {
		text = u.Scheme + ":" + hiddenUnless(u.Opaque, u.Scheme == "file" || u.Scheme == "stdout")
	}
	if u.RawQuery != "" {
		text += "?" + redactQuery(u.RawQuery)
	}
	if u.Fragment != "" {
		text += "#" + redacted
	}
	return text
}

// hidesPath tells whether a path may be a secret: that of a webhook mostly is, and
// what is no place of ours may be one of those.
func hidesPath(scheme string) bool {
	return strings.HasPrefix(scheme, "webhook") || scheme != "" && !slices.Contains(Schemes(), scheme)
}

func hiddenUnless(text string, ok bool) string {
	if ok {
		return text
	}
	return redacted
}

// redactBroken is for what is no URL: a user with a password before an @ is its
// most common reason.
func redactBroken(to string) string {
	scheme, rest, ok := strings.Cut(to, ":")
	if !ok {
		return redacted
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "://" + redacted
	}
	rest, _, cut := strings.Cut(rest, "?")
	if cut {
		rest += "?" + redacted
	}
	return scheme + ":" + hiddenUnless(rest, !hidesPath(scheme))
}

// redactQuery keeps the order of options.
func redactQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		plain := slices.Contains(plainOptions, name)
		if v, err := url.QueryUnescape(value); !plain && (err != nil || secret.Check(v) != nil) {
			value = redacted
		}
		parts[i] = name + "=" + value
		if !ok {
			parts[i] = hiddenUnless(name, plain || name == "")
		}
	}
	return strings.Join(parts, "&")
}

var (
	urlInText    = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*:(//|\?)[^\s"'\\]*`)
	secretInText = regexp.MustCompile(`(?i)((?:password|passwd|token|api_?key|secret|credentials)\\?["']?\s*=\s*\\?["']?)([^\s"'&\\]+)`)
)

// RedactText is a text as it may be shown: with every URL in it redacted, and what
// is set to something that is called a password.
func RedactText(text string) string {
	text = urlInText.ReplaceAllStringFunc(text, Redact)
	return secretInText.ReplaceAllStringFunc(text, func(s string) string {
		m := secretInText.FindStringSubmatch(s)
		value := strings.TrimRight(m[2], ").,:;]}")
		return m[1] + hiddenUnless(value, secret.Check(value) == nil) + m[2][len(value):]
	})
}

// whyNoURL is what is wrong with it, unless that would quote a password.
func whyNoURL(to string, err error) string {
	var e *url.Error
	if strings.Contains(to, "@") || !errors.As(err, &e) {
		return ", with no user and no password in it"
	}
	return ": " + e.Err.Error()
}

// checkLiterals refuses a URL with a secret in it, and says nothing else of it.
func checkLiterals(u *url.URL) error {
	if err := secret.CheckURL(u); err != nil {
		return err
	}
	if u.User != nil && u.Host == "" {
		return errors.New("want no user here")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil { // a part of a password may be what is wrong
		return errors.New(`the options behind the ? cannot be read: write "%" in a value as %25 and ";" as %3B`)
	}
	for name, values := range q {
		lower := strings.ToLower(name)
		known := slices.Contains(secretOptions, lower)
		for _, v := range values {
			if known && secret.Check(v) != nil {
				return fmt.Errorf(`%s: want "env:NAME" or "file:/absolute/path", never the secret itself: here it is in logs and lists of processes`, lower)
			}
		}
	}
	return nil
}
