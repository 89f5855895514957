package bulk

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
)

// A FieldChecker checks custom fields and metadata by rules of the host, beyond
// those that [Fields] have. Package bulk/fieldrules makes one of declared rules.
//
// Its methods are safe for concurrent use and depend on nothing but their
// arguments: a worker that takes a job over checks rows again, and has to come to
// the same. They do not block. A panic fails the row.
//
// Of an error that they return Field and Message count; the code is
// [CodeFieldRule].
type FieldChecker interface {
	// CheckFields returns what is wrong with the fields that a row gives. They are a
	// change: a null removes the field, and a field that is not there stays as it
	// is. It is not called for rows without fields. What the user has already is
	// not known here.
	CheckFields(customFields, metadata Fields) []RowError
	// CheckCreate returns what is wrong with the fields of a user whom a row is about
	// to create, such as one that is missing. CheckFields has seen those that are
	// there.
	CheckCreate(customFields, metadata Fields) []RowError
	// Describe returns the rules in words, by the field that they are for, as in
	// "customFields.age". It is called once, and what it returns is published.
	Describe() map[string]string
}

// guardedRules are the rules of a [FieldChecker] in an import, behind a guard for
// panics. The zero value has no rules.
type guardedRules struct {
	checker FieldChecker
	log     *slog.Logger
	told    *sync.Once // of a panic, which every row may have
}

func (c *Config) rules() guardedRules { return guardedRules{c.FieldRules, c.Logger, new(sync.Once)} }

// check adds to the errors of a row what is wrong with its fields.
func (r guardedRules) check(p *plan) {
	if r.checker == nil || p.CustomFields.IsZero() && p.Metadata.IsZero() {
		return
	}
	for _, e := range r.call(r.checker.CheckFields, p.User) {
		p.fail(CodeFieldRule, e.Field, e.Message)
	}
}

// admit fails the decision to create a user that the rules do not allow.
func (r guardedRules) admit(p *plan, d *decision) {
	if r.checker == nil || d.status != StatusCreated {
		return
	}
	errors := r.call(r.checker.CheckCreate, d.user.User)
	if len(errors) == 0 {
		return
	}
	bounded := plan{index: p.index} // the row may be decided again
	for _, e := range errors {
		bounded.fail(CodeFieldRule, e.Field, e.Message)
	}
	bounded.endErrors()
	*d = decision{status: StatusFailed, errors: bounded.errors, userID: d.userID}
}

func (r guardedRules) call(rule func(customFields, metadata Fields) []RowError, user User) (errors []RowError) {
	defer func() {
		if v := recover(); v != nil {
			// The stack without the value, which may have fields of the user in it.
			r.told.Do(func() { r.log.Error("Config.FieldRules panicked", "stack", string(debug.Stack())) })
			errors = []RowError{{Message: "the rules of custom fields and metadata could not be applied to the row"}}
		}
	}()
	return rule(user.CustomFields, user.Metadata)
}

// describe returns the rules in words, nil if there are none.
func (r guardedRules) describe() (rules map[string]string, err error) {
	if r.checker == nil {
		return nil, nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = &ConfigError{"Config.FieldRules", fmt.Sprintf("panicked when it was to describe itself: %v", v)}
		}
	}()
	return maps.Clone(r.checker.Describe()), nil
}
