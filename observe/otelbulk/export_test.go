package otelbulk

import "strings"

// Documented returns the metrics as docs/operations.md has them.
func Documented() string {
	var b strings.Builder
	b.WriteString("\n| metric | kind, unit | attributes | of |\n| --- | --- | --- | --- |\n")
	for _, i := range instruments {
		keys := make([]string, len(i.attributes))
		for n, key := range i.attributes {
			keys[n] = "`" + string(key) + "`"
		}
		b.WriteString("| `" + i.name + "` | " + i.kind + ", `" + i.unit + "` | " + strings.Join(keys, ", ") + " | " + i.description + " |\n")
	}
	return b.String() + "\n"
}

// HasSeries reports whether a metric with these attributes is documented.
func HasSeries(name string, keys []string) bool {
	for _, i := range instruments {
		if i.name != name {
			continue
		}
		known := map[string]bool{}
		for _, key := range i.attributes {
			known[string(key)] = true
		}
		for _, key := range keys {
			if !known[key] {
				return false
			}
		}
		return true
	}
	return false
}

// Names returns the names of the documented metrics.
func Names() []string {
	names := make([]string, len(instruments))
	for n, i := range instruments {
		names[n] = i.name
	}
	return names
}
