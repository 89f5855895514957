package canon

import "github.com/go-json-experiment/json/jsontext"

// KindName names the kind of a value for people.
func KindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	default:
		return "an object"
	}
}

// Clip returns the first characters of a text for a message, with … behind them if
// there are more.
func Clip(s string, most int) string {
	if first := head(s, most); len(first) < len(s) {
		return first + "…"
	}
	return s
}

// head returns the first characters of a text.
func head(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i]
		}
		n++
	}
	return s
}
