package fieldrules

import (
	"maps"
	"slices"
)

// Formats returns the tags of strings but for those that count characters.
func Formats() []string { return slices.Collect(maps.Keys(formats)) }
