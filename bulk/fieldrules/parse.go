package fieldrules

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/internal/canon"
)

// A kind is the kinds of JSON values that a rule allows, and the tags that it knows.
type kind struct {
	words string
	pass  func(value json.RawMessage) bool
	tag   func(name, param string) (test, error)
}

var kinds = map[string]kind{
	"any":     {"may be of any kind", func(json.RawMessage) bool { return true }, noTags},
	"string":  {"must be a string", startsWith(`"`), stringTag},
	"number":  {"must be a number", startsWith("-0123456789"), numberTag},
	"integer": {"must be a whole number", isInteger, numberTag},
	"boolean": {"must be true or false", startsWith("tf"), noTags},
	"array":   {"must be an array", startsWith("["), countTag("element", elements)},
	"object":  {"must be an object", startsWith("{"), countTag("field", members)},
}

// startsWith tells the kind of a JSON value by its first byte.
func startsWith(first string) func(json.RawMessage) bool {
	return func(value json.RawMessage) bool { return strings.IndexByte(first, value[0]) >= 0 }
}

func noTags(string, string) (test, error) { return test{}, errUnknown }

var errUnknown = errors.New("there is no such tag for values of this kind")

// parseRule reads a rule.
func parseRule(text string) (*rule, error) {
	if strings.Contains(text, "|") {
		return nil, fmt.Errorf("%q has alternatives, which are not supported; a bar in a value is written 0x7C", text)
	}
	r := &rule{}
	tags := strings.Split(text, ",")
	if tags[0] == "required" {
		r.required, tags = true, tags[1:]
	}
	name := "string"
	switch {
	case len(tags) == 0:
		name = "any"
	case isKind(tags[0]):
		name, tags = tags[0], tags[1:]
	}
	r.kind = kinds[name]
	for _, tag := range tags {
		name, param, hasParam := strings.Cut(tag, "=")
		t, err := r.kind.tag(name, param)
		switch {
		case err == nil && hasParam && param == "":
			err = errors.New("it lacks a value behind the equals sign")
		case errors.Is(err, errUnknown) && (isKind(name) || name == "required"):
			err = errors.New("required comes first, and one kind behind it")
		}
		if err != nil {
			return nil, fmt.Errorf("tag %q of %q: %w", tag, text, err)
		}
		r.tests = append(r.tests, t)
	}
	return r, nil
}

func isKind(name string) bool {
	_, ok := kinds[name]
	return ok
}

// elements counts those of an array.
func elements(array json.RawMessage) (n int) {
	var list []json.RawMessage
	_ = json.Unmarshal(array, &list) // fields are valid JSON
	return len(list)
}

// members counts those of an object.
func members(object json.RawMessage) (n int) {
	for s := canon.Scan(object); ; n++ {
		if _, _, ok := s.Next(); !ok {
			return n
		}
	}
}
