package canon

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind says which rule a [Problem] is about.
type Kind int

// The rules that a value may break.
const (
	DuplicateName Kind = iota + 1 // a name stands twice in one object
	TooDeep                       // containers nest deeper than Limits.Depth
	NameLength                    // a name is empty or longer than Limits.NameLength
	NumberRange                   // a number has too many digits or is out of range
	NullCharacter                 // a name or a string has the character U+0000
)

// A Problem is one place in a value that breaks a rule.
type Problem struct {
	Kind Kind
	// Path names the place from the object's own members down, with dots
	// between names and [n] for the elements of arrays. No more than its
	// first 256 characters are given.
	Path string
}

// Limits are the bounds of a value.
type Limits struct {
	Depth      int // levels of containers, the outermost one counted
	NameLength int // Unicode code points of a member's name
}

// What one value can report is bounded, so that a hostile value does not answer
// with more text than it has itself.
const (
	maxProblems = 100
	maxPath     = 256 // characters of a path, or of one name in it
)

// Value returns the canonical form of the JSON value text. Where the value breaks
// a rule it says so in the problems, the first 100 of them, and how many more there
// are; what it then returns is empty.
func Value(text []byte, limits Limits) (canonical string, problems []Problem, more int) {
	w := walkers.Get().(*walker)
	defer w.release()
	w.walk(slices.Grow(w.own[:0], len(text)), text, skipSpace(text, 0), limits)
	w.own = w.dst
	if len(w.problems) == 0 {
		canonical = string(w.dst)
	}
	return canonical, w.problems, w.more
}

// maxKept bounds the memory that a walker keeps for the next value.
const maxKept = 256 << 10

// walkers keeps the stacks of walkers for the next values.
var walkers = sync.Pool{New: func() any { return new(walker) }}

// release keeps the walker for the next value, with nothing of its caller's.
func (w *walker) release() {
	if cap(w.own)+cap(w.scratch)+cap(w.members)*memberSize > maxKept {
		return
	}
	w.src, w.dst, w.nulls, w.problems, w.more = nil, nil, false, nil, 0
	clear(w.path[:cap(w.path)]) // the names in it
	walkers.Put(w)
}

// String appends the canonical form of a quoted JSON string.
func String(dst, quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(dst, quoted...)
	}
	// Neither call can fail on what a parser has accepted.
	plain, _ := jsontext.AppendUnquote(nil, quoted)
	dst, _ = jsontext.AppendQuote(dst, plain)
	return dst
}

// Unquote returns what a quoted JSON string means.
func Unquote(quoted []byte) string {
	if text, ok := Plain(quoted); ok {
		return string(text)
	}
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return string(text)
}

// Plain returns what stands between the quotes of a JSON string, and whether that is
// what it means, for it has no escapes.
func Plain(quoted []byte) (text []byte, ok bool) {
	return quoted[1 : len(quoted)-1], bytes.IndexByte(quoted, '\\') < 0
}

type walker struct {
	src, dst []byte
	pos      int
	own      []byte // dst of [Value]
	limits   Limits
	path     []step
	members  []member // a stack: each object in progress owns its tail
	scratch  []byte   // for sort
	nulls    bool     // a member of the outermost object is null
	problems []Problem
	more     int // problems that are not among them
}

// step is one step of the path to the current value: a quoted name, or an index
// where name is nil.
type step struct {
	name  []byte
	index int
}

// member is where a member of an object stands in dst: its quoted name from
// start to name, its value up to end. It is small since of a hostile value there
// may be one for every few bytes.
type member struct{ start, name, end uint32 }

const memberSize = 12

func (w *walker) report(kind Kind) {
	if len(w.problems) >= maxProblems {
		w.more++
		return
	}
	var path strings.Builder
	for _, s := range w.path {
		if path.Len() > 4*maxPath { // bytes enough for the characters
			break
		}
		if s.name == nil {
			fmt.Fprintf(&path, "[%d]", s.index)
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(head(Unquote(clipQuoted(s.name)), maxPath))
	}
	w.problems = append(w.problems, Problem{Kind: kind, Path: head(path.String(), maxPath)})
}

// clipQuoted returns a quoted string with the first maxPath characters of the one
// given, and some more, so that no more is decoded of a long one than is shown.
func clipQuoted(quoted []byte) []byte {
	const most = 12 * (maxPath + 1) // no character takes more bytes than two escapes
	if len(quoted) <= most {
		return quoted
	}
	end := most
	for !utf8.RuneStart(quoted[end]) {
		end--
	}
	return append(quoted[:end:end], '"')
}

// walk appends the canonical form of the value that starts at pos, and stops behind it.
func (w *walker) walk(dst, src []byte, pos int, limits Limits) {
	w.dst, w.src, w.pos, w.limits = dst, src, pos, limits
	w.value(0)
}

func (w *walker) value(depth int) {
	switch c := w.src[w.pos]; c {
	case '"':
		end, plain := stringEnd(w.src, w.pos)
		w.string(w.src[w.pos:end], plain)
		w.pos = end
	case '{', '[':
		if depth == w.limits.Depth {
			w.report(TooDeep)
			w.pos = valueEnd(w.src, w.pos) // nothing below it is looked at
			return
		}
		if c == '{' {
			w.object(depth + 1)
		} else {
			w.array(depth + 1)
		}
	case 't', 'f', 'n':
		end := valueEnd(w.src, w.pos)
		w.dst = append(w.dst, w.src[w.pos:end]...)
		w.pos = end
	default:
		end := valueEnd(w.src, w.pos)
		dst, ok := Number(w.dst, w.src[w.pos:end])
		if !ok {
			w.report(NumberRange)
		}
		w.dst = dst
		w.pos = end
	}
}

// string takes over a name or a string, which is what the path leads to.
func (w *walker) string(quoted []byte, plain bool) {
	if plain {
		w.dst = append(w.dst, quoted...)
		return
	}
	if hasNull(quoted) {
		w.report(NullCharacter)
	}
	w.dst = String(w.dst, quoted)
}

// hasNull reports whether a quoted string has the character U+0000, which JSON can
// write in one way alone.
func hasNull(quoted []byte) bool {
	const null = `\u0000`
	for {
		i := bytes.IndexByte(quoted, '\\')
		if i < 0 {
			return false
		}
		quoted = quoted[i:]
		if len(quoted) >= len(null) && string(quoted[:len(null)]) == null {
			return true
		}
		quoted = quoted[2:] // a backslash may escape another one
	}
}

func (w *walker) array(depth int) {
	w.dst = append(w.dst, '[')
	w.pos = skipSpace(w.src, w.pos+1)
	for i := 0; w.src[w.pos] != ']'; i++ {
		if i > 0 {
			w.dst = append(w.dst, ',')
			w.pos = skipSpace(w.src, w.pos+1) // past the comma
		}
		w.path = append(w.path, step{index: i})
		w.value(depth)
		w.path = w.path[:len(w.path)-1]
		w.pos = skipSpace(w.src, w.pos)
	}
	w.dst = append(w.dst, ']')
	w.pos++
}

func (w *walker) object(depth int) {
	base := len(w.members)
	sorted := true
	w.dst = append(w.dst, '{')
	open := len(w.dst)
	w.pos = skipSpace(w.src, w.pos+1)
	for w.src[w.pos] != '}' {
		if len(w.members) > base {
			w.dst = append(w.dst, ',')
			w.pos = skipSpace(w.src, w.pos+1) // past the comma
		}
		end, plain := stringEnd(w.src, w.pos)
		name := w.src[w.pos:end]
		m := member{start: uint32(len(w.dst))}
		w.path = append(w.path, step{name: name})
		w.string(name, plain)
		m.name = uint32(len(w.dst))
		if !fitsName(w.dst[m.start:m.name], w.limits.NameLength) {
			w.report(NameLength)
		}
		w.dst = append(w.dst, ':')
		w.pos = skipSpace(w.src, skipSpace(w.src, end)+1) // past the colon
		w.nulls = w.nulls || depth == 1 && w.src[w.pos] == 'n'
		w.value(depth)
		w.path = w.path[:len(w.path)-1]

		m.end = uint32(len(w.dst))
		if n := len(w.members); n > base && bytes.Compare(w.name(w.members[n-1]), w.name(m)) >= 0 {
			sorted = false
		}
		w.members = append(w.members, m)
		w.pos = skipSpace(w.src, w.pos)
	}
	w.pos++
	if !sorted {
		w.sort(w.members[base:], open)
	}
	w.members = w.members[:base]
	w.dst = append(w.dst, '}')
}

func (w *walker) name(m member) []byte { return w.dst[m.start:m.name] }

// sort puts the members, which stand in dst from open to its end, in the order
// of their names and reports the names that stand twice.
func (w *walker) sort(members []member, open int) {
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(w.name(a), w.name(b)) })
	ordered := slices.Grow(w.scratch[:0], len(w.dst)-open)
	for i, m := range members {
		if i > 0 {
			ordered = append(ordered, ',')
			// One report a name, however often it is repeated.
			if bytes.Equal(w.name(members[i-1]), w.name(m)) &&
				(i < 2 || !bytes.Equal(w.name(members[i-2]), w.name(m))) {
				w.path = append(w.path, step{name: w.name(m)})
				w.report(DuplicateName)
				w.path = w.path[:len(w.path)-1]
			}
		}
		ordered = append(ordered, w.dst[m.start:m.end]...)
	}
	copy(w.dst[open:], ordered)
	w.scratch = ordered
}

// fitsName reports whether a name in canonical quotes has 1 to that many code points.
func fitsName(quoted []byte, most int) bool {
	n := len(quoted) - 2
	if n > most { // or it is short however many bytes a code point takes
		n = utf8.RuneCountInString(Unquote(quoted))
	}
	return 1 <= n && n <= most
}
