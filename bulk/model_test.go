package bulk_test

import (
	"encoding/json"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// A model is the contract in its simplest form: rows one after the other over
// maps. Whatever the engine does in parallel must come to the same.
type model struct {
	users  map[string]*modelUser
	owners map[string]string // lower-cased email to id
}

type modelUser struct {
	email  string
	fields map[string]string
}

// A modelRow is a row with a single level of custom fields, "null" for removal.
type modelRow struct {
	ID     string            `json:"userId,omitempty"`
	Email  string            `json:"email,omitempty"`
	Fields map[string]number `json:"customFields,omitempty"`
}

// number is a JSON number or null as text.
type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func newModel() *model {
	return &model{users: map[string]*modelUser{}, owners: map[string]string{}}
}

func (r modelRow) row() bulk.Row {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return bulk.Row{JSON: text}
}

// apply applies a row and returns its status, its code if it failed, and the id.
func (m *model) apply(row modelRow, opts bulk.Options, newID string) (bulk.Status, bulk.RowCode, string) {
	key := strings.ToLower(row.Email)
	id := row.ID
	if id == "" {
		id = m.owners[key]
	}
	user := m.users[id]
	owner, owned := m.owners[key]
	owned = owned && row.Email != ""
	if user == nil {
		if owned {
			return bulk.StatusFailed, bulk.CodeEmailTaken, id
		}
		if id == "" {
			id = newID
		}
		m.users[id] = &modelUser{email: row.Email, fields: map[string]string{}}
		m.set(id, row)
		if row.Email != "" {
			m.owners[key] = id
		}
		return bulk.StatusCreated, "", id
	}
	switch {
	case opts.SkipDuplicates:
		return bulk.StatusSkipped, "", id
	case !opts.Upsert:
		return bulk.StatusFailed, bulk.CodeUserExists, id
	case owned && owner != id:
		return bulk.StatusFailed, bulk.CodeEmailTaken, id
	}
	changed := m.set(id, row)
	if row.ID != "" && row.Email != "" && row.Email != user.email {
		delete(m.owners, strings.ToLower(user.email))
		m.owners[key] = id
		user.email = row.Email
		changed = true
	}
	if !changed {
		return bulk.StatusUnchanged, "", id
	}
	return bulk.StatusUpdated, "", id
}

func (m *model) set(id string, row modelRow) bool {
	changed := false
	fields := m.users[id].fields
	for name, value := range row.Fields {
		old, there := fields[name]
		switch {
		case value == "null" && there:
			delete(fields, name)
			changed = true
		case value != "null" && old != string(value):
			fields[name] = string(value)
			changed = true
		}
	}
	return changed
}
