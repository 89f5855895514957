package canon

// Size returns how many bytes DynamoDB counts for a canonical value, or a little
// more: strings and names by their UTF-8 length, numbers by their digits, one
// byte for a literal, and 3 bytes plus one an element for a map or list. Source:
// DynamoDB developer guide, "Item sizes and formats".
func Size(text string) int {
	size := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			end, plain := stringEnd(text, i)
			size += stringSize(text[i:end], plain)
			i = end
		case '{', '[':
			size += 3
			if text[i+1] != '}' && text[i+1] != ']' {
				size++ // its first element; the others are counted at their commas
			}
			i++
		case ',':
			size++
			i++
		case '}', ']', ':':
			i++
		case 't', 'f', 'n':
			size++
			i = valueEnd(text, i)
		default:
			end := valueEnd(text, i)
			size += numberSize(end - i)
			i = end
		}
	}
	return size
}

// MaxSize is the most that Size can return for a text of that length: an empty
// array takes two bytes of text, and four with the comma before it.
func MaxSize(length int) int { return 4 * length }

func stringSize(quoted string, plain bool) int {
	if plain {
		return len(quoted) - 2
	}
	return len(Unquote([]byte(quoted)))
}

// numberSize is one byte for two digits, one for the exponent and one for the
// sign. Canonical text never has fewer digits than are significant, so this
// does not fall short of what DynamoDB counts.
func numberSize(length int) int { return length/2 + 3 }
