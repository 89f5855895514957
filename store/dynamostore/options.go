package dynamostore

import (
	"fmt"
	"regexp"
	"unicode"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
)

// Defaults of [Options].
const (
	DefaultMaxAttempts    = 8
	DefaultMaxConcurrency = 256
)

// Options say where a [Store] keeps users and how. UsersTable and ClaimsTable are
// required; the zero value of every other field takes its default. All stores of
// the same tables must have the same tables, attributes and UserKey.
type Options struct {
	// UsersTable is the name of the table with the users. Required.
	UsersTable string
	// ClaimsTable is the name of the table with the emails. Required.
	ClaimsTable string
	// Attributes are the names of attributes.
	Attributes Attributes
	// UserKey returns the key of a user's item. It must return different keys for
	// different users, always the same for the same, and may be called at any
	// time from any goroutine. Defaults to [DefaultUserKey].
	//
	// A table of a single tenant that has the user id alone as its key has
	//
	//	func(tenant, userID string) Key { return Key{Partition: userID} }
	UserKey func(tenant, userID string) Key
	// Mode is how users are written. Defaults to [Guarded].
	Mode Mode
	// MaxAttempts is how often a call is made for what is throttled, or in conflict
	// with another transaction, before that fails with a retryable error. Defaults
	// to 8, which take two seconds.
	MaxAttempts int
	// MaxConcurrency bounds how many calls that write, and as many that read, are
	// under way at once. Beside that they are paced by what the tables take. Defaults
	// to 256.
	MaxConcurrency int
}

// Mode says how users are written.
type Mode int

const (
	// Guarded keeps every promise of [bulk.Store], whatever else writes the tables.
	Guarded Mode = iota

	// Exclusive is for a first migration into tables that nobody else writes
	// meanwhile: no other program, no other Store and no other process. Then it
	// keeps the promises too, and a create with an email, or a change of one, takes
	// half of the write units: claim and user are written one after the other, each
	// on its condition, and not in a transaction. Other writes are made as by
	// Guarded.
	//
	// If somebody else gives or takes emails at the same time, two users may get one
	// email. A write is not atomic across a crash, but its steps are in such an order
	// (claim, user, release of the old claim) that every user that is there has its
	// email claimed, and a claim that was left over is free to be taken.
	Exclusive
)

// Attributes are the names of attributes. The zero value of every field takes its
// default. The names in the users table are different from each other, except that
// Tenant and UserID may be Key or SortKey.
type Attributes struct {
	// Key is the partition key of the users table, a string. Defaults to "pk".
	Key string
	// SortKey is the sort key of the users table, a string, "" if the table has
	// none.
	SortKey string
	// Tenant and UserID tell people and other programs whose item it is. The store
	// writes them when it creates an item and does not read them. Default to
	// "tenant" and "userId".
	Tenant, UserID string
	// Email is the address as it was given, a string. Absent if there is none.
	// Defaults to "email".
	Email string
	// CustomFields and Metadata are maps. Default to "customFields" and
	// "metadata".
	CustomFields, Metadata string
	// Version and Mark are strings that the store keeps for itself: no other
	// program may use the names. Default to "bulkVersion" and "bulkMark".
	Version, Mark string

	// ClaimKey is the partition key of the claims table, a string. Defaults to
	// "pk".
	ClaimKey string
	// ClaimUserID is the id of the user that has the email. Defaults to "userId".
	ClaimUserID string
}

// validTableName is the rule of the API reference, CreateTable, TableName. ARNs
// are left out: answers name tables by their names.
var validTableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

func (o *Options) fill() error {
	for _, table := range []struct{ field, name string }{
		{"Options.UsersTable", o.UsersTable},
		{"Options.ClaimsTable", o.ClaimsTable},
	} {
		switch n := len(table.name); {
		case n == 0:
			return &bulk.ConfigError{Field: table.field, Problem: "is required"}
		case n < minTableName || n > maxTableName || !validTableName.MatchString(table.name):
			return &bulk.ConfigError{Field: table.field, Problem: fmt.Sprintf(
				"must have %d to %d letters, digits, dots, hyphens or underscores", minTableName, maxTableName)}
		}
	}
	if o.UsersTable == o.ClaimsTable {
		return &bulk.ConfigError{Field: "Options.ClaimsTable", Problem: "must not be the users table"}
	}
	if o.UserKey == nil {
		o.UserKey = DefaultUserKey
	}
	if o.Mode != Guarded && o.Mode != Exclusive {
		return &bulk.ConfigError{Field: "Options.Mode", Problem: "must be Guarded or Exclusive"}
	}
	if err := atLeastOne("Options.MaxAttempts", &o.MaxAttempts, DefaultMaxAttempts); err != nil {
		return err
	}
	if err := atLeastOne("Options.MaxConcurrency", &o.MaxConcurrency, DefaultMaxConcurrency); err != nil {
		return err
	}
	return o.Attributes.fill()
}

func atLeastOne(field string, value *int, byDefault int) error {
	if *value == 0 {
		*value = byDefault
	}
	if *value < 1 {
		return &bulk.ConfigError{Field: field, Problem: "must not be negative"}
	}
	return nil
}

func (a *Attributes) fill() error {
	type attribute struct {
		field     string
		name      *string
		byDefault string
	}
	users := []attribute{
		{"Key", &a.Key, "pk"},
		{"SortKey", &a.SortKey, ""},
		{"Email", &a.Email, "email"},
		{"CustomFields", &a.CustomFields, "customFields"},
		{"Metadata", &a.Metadata, "metadata"},
		{"Version", &a.Version, "bulkVersion"},
		{"Mark", &a.Mark, "bulkMark"},
		{"Tenant", &a.Tenant, "tenant"},
		{"UserID", &a.UserID, "userId"},
	}
	claims := []attribute{
		{"ClaimKey", &a.ClaimKey, "pk"},
		{"ClaimUserID", &a.ClaimUserID, "userId"},
	}
	for _, table := range [][]attribute{users, claims} {
		seen := make(map[string]string)
		for _, attribute := range table {
			if *attribute.name == "" {
				*attribute.name = attribute.byDefault
			}
			name, field := *attribute.name, "Options.Attributes."+attribute.field
			if name == "" {
				continue // no sort key
			}
			if !validAttribute(name) {
				return &bulk.ConfigError{Field: field, Problem: fmt.Sprintf(
					"must have 1 to %d bytes and no control characters", maxAttributeName)}
			}
			isKey := name == a.Key || name == a.SortKey
			if other, taken := seen[name]; taken && !(isKey && (attribute.field == "Tenant" || attribute.field == "UserID")) {
				return &bulk.ConfigError{Field: field, Problem: "is the same as " + other}
			}
			seen[name] = attribute.field
		}
	}
	return nil
}

func validAttribute(name string) bool {
	if len(name) > maxAttributeName || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
