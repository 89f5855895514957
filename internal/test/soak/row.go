//go:build unix

package soak

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// Names of custom fields. Other fields than these are the host's.
const (
	registerField = "reg" // the witness of the row that was applied last
	witnessPrefix = "w"   // a witness is this, the import's name and the row's index
	hostPrefix    = "h"   // what the host sets
	baseField     = "base"
)

func witnessOf(name string, index int) string {
	return fmt.Sprintf("%s%s_%d", witnessPrefix, name, index)
}

func isWitness(field string) bool {
	return strings.HasPrefix(field, witnessPrefix) && strings.Contains(field, "_")
}

// jsonOf returns a row as it is sent.
func jsonOf(r audit.Row) json.RawMessage {
	fields := make(map[string]any)
	switch {
	case r.Witness == "":
		fields[baseField] = 1
	default:
		fields[r.Witness] = 1
		fields[registerField] = r.Witness
	}
	for _, witness := range r.Erases {
		fields[witness] = nil
	}
	value := map[string]any{"customFields": fields}
	if r.UserID != "" {
		value["userId"] = r.UserID
	}
	if r.Email != "" {
		value["email"] = r.Email
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return text
}

func jsonOfAll(rows []audit.Row) []json.RawMessage {
	all := make([]json.RawMessage, len(rows))
	for i, r := range rows {
		all[i] = jsonOf(r)
	}
	return all
}
