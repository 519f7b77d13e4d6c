package strict

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	envOpen   = "${env:"
	envEscape = "$" + envOpen
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces each ${env:NAME} and ${env:NAME:-default} in a text by the
// value of the variable; $${env: stands for ${env: itself. As in a shell, the
// default is for a variable that is not set or empty. used says whether any
// was replaced; the errors show no value.
func expand(text string, lookup func(string) (string, bool)) (value string, used bool, errs []error) {
	var b strings.Builder
	for text != "" {
		i := strings.Index(text, envOpen)
		if i < 0 {
			b.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + envOpen)
			text = text[i+len(envOpen):]
			continue
		}
		b.WriteString(text[:i])
		used = true
		body, rest, closed := strings.Cut(text[i+len(envOpen):], "}")
		if !closed {
			errs = append(errs, fmt.Errorf("%s has no closing } (write $%s for the text itself)", envOpen, envOpen))
			break
		}
		text = rest
		v, err := variable(body, lookup)
		if err != nil {
			errs = append(errs, err)
		}
		b.WriteString(v)
	}
	return b.String(), used, errs
}

// variable returns the value for "NAME" or "NAME:-default".
func variable(body string, lookup func(string) (string, bool)) (string, error) {
	name, fallback, hasFallback := strings.Cut(body, ":-")
	switch {
	case !envName.MatchString(name):
		return "", fmt.Errorf("%s%s} does not name a variable: write ${env:NAME} or ${env:NAME:-default}", envOpen, body)
	case strings.Contains(fallback, envOpen):
		return "", fmt.Errorf("the default of %s%s} cannot be a variable itself", envOpen, name)
	}
	value, set := lookup(name)
	if hasFallback && value == "" {
		return fallback, nil
	}
	if !set {
		return "", fmt.Errorf("the environment variable %s is not set: set it, or write ${env:%s:-default}", name, name)
	}
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("the environment variable %s is not UTF-8 text", name)
	}
	return value, nil
}
