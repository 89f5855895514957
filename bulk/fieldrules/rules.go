package fieldrules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// Rules are the rules of fields, by the names of the fields.
type Rules struct {
	CustomFields map[string]string
	Metadata     map[string]string
}

// A Checker checks fields by [Rules]. It is safe for concurrent use. Make one with
// [New].
type Checker struct {
	customFields, metadata object
}

var _ bulk.FieldChecker = (*Checker)(nil)

// New returns a checker, or an error that names the rule at fault.
func New(rules Rules) (*Checker, error) {
	var (
		c   Checker
		err error
	)
	if c.customFields, err = parseObject("customFields", rules.CustomFields); err != nil {
		return nil, err
	}
	if c.metadata, err = parseObject("metadata", rules.Metadata); err != nil {
		return nil, err
	}
	return &c, nil
}

// CheckFields implements [bulk.FieldChecker].
func (c *Checker) CheckFields(customFields, metadata bulk.Fields) []bulk.RowError {
	return c.metadata.check(c.customFields.check(nil, customFields), metadata)
}

// CheckCreate implements [bulk.FieldChecker].
func (c *Checker) CheckCreate(customFields, metadata bulk.Fields) []bulk.RowError {
	return c.metadata.checkCreate(c.customFields.checkCreate(nil, customFields), metadata)
}

// Describe implements [bulk.FieldChecker].
func (c *Checker) Describe() map[string]string {
	words := make(map[string]string)
	for _, o := range []object{c.customFields, c.metadata} {
		for _, r := range o.rules {
			words[r.path] = r.describe()
		}
	}
	return words
}

// An object is the rules of customFields or of metadata.
type object struct {
	rules    map[string]*rule
	required []string // in order
}

func parseObject(name string, texts map[string]string) (object, error) {
	o := object{rules: make(map[string]*rule, len(texts))}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		path := name + "." + field
		if n := utf8.RuneCountInString(field); n < 1 || n > bulk.MaxFieldName || !utf8.ValidString(field) {
			return o, fmt.Errorf("fieldrules: the rule of %q: no field has this name, of which 1 to %d characters are allowed", path, bulk.MaxFieldName)
		}
		r, err := parseRule(texts[field])
		if err != nil {
			return o, fmt.Errorf("fieldrules: the rule of %q: %w", path, err)
		}
		r.path = path
		o.rules[field] = r
		if r.required {
			o.required = append(o.required, field)
		}
	}
	return o, nil
}

func (o object) check(errors []bulk.RowError, fields bulk.Fields) []bulk.RowError {
	if len(o.rules) == 0 {
		return errors
	}
	for name, value := range fields.All() {
		if r := o.rules[name]; r != nil {
			errors = r.check(errors, value)
		}
	}
	return errors
}

func (o object) checkCreate(errors []bulk.RowError, fields bulk.Fields) []bulk.RowError {
	if len(o.required) == 0 {
		return errors
	}
	given := make(map[string]bool)
	for name := range fields.All() {
		given[name] = true
	}
	for _, name := range o.required {
		if !given[name] {
			errors = o.rules[name].fail(errors, isRequired+" of a new user")
		}
	}
	return errors
}

// A rule is the rule of one field.
type rule struct {
	path     string
	required bool
	kind     kind
	tests    []test
}

// A test is a part of a rule.
type test struct {
	words string // what is wrong with a value that fails, as in "must be at least 1"
	pass  func(value json.RawMessage) bool
}

const isRequired = "is required"

func (r *rule) fail(errors []bulk.RowError, words string) []bulk.RowError {
	return append(errors, bulk.RowError{Code: bulk.CodeFieldRule, Field: r.path, Message: r.path + ": " + words})
}

func (r *rule) check(errors []bulk.RowError, value json.RawMessage) []bulk.RowError {
	if string(value) == "null" {
		if r.required {
			errors = r.fail(errors, isRequired+" and cannot be removed")
		}
		return errors
	}
	if !r.kind.pass(value) {
		return r.fail(errors, r.kind.words)
	}
	for _, t := range r.tests {
		if !t.pass(value) {
			errors = r.fail(errors, t.words)
		}
	}
	return errors
}

// describe says the rule in words.
func (r *rule) describe() string {
	words := ""
	add := func(text string) {
		if words != "" && text != "" {
			words += "; "
		}
		words += text
	}
	if r.required {
		add(isRequired)
	}
	add(r.kind.words)
	for _, t := range r.tests {
		add(t.words)
	}
	return words
}
