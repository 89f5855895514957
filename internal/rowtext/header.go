package rowtext

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// ErrNoHeader is the error of a text without a header row.
var ErrNoHeader = &Error{Message: "the CSV has no header row"}

// A Header is the header row of a CSV text.
type Header struct {
	Text    []byte // with its end, as it stands but for columns that are renamed
	Columns []Column
}

// Header reads the header row, and a line before it that says what separates
// cells. It settles the separator; see the package.
//
// A refused header is an [*Error]: what it is with the first of the separators.
// The records can be read all the same, with that separator and that of the header
// first.
func (r *Records) Header() (*Header, error) {
	if err := r.start(); err != nil {
		return nil, err
	}
	candidates := r.separators
	if sep, err := r.separatorLine(); err != nil {
		return nil, err
	} else if sep != 0 {
		candidates = string(sep)
	}
	r.skipEmptyLines()
	r.mark, r.marked, r.head = r.pos, true, r.lines
	defer func() { r.marked = false }()
	var first error
	for i := range len(candidates) {
		r.sep = candidates[i]
		r.Rewind()
		h, err := r.header()
		if err == nil {
			return h, nil
		}
		refused := (*Error)(nil)
		if err == ErrNoHeader || !errors.As(err, &refused) {
			return nil, err
		}
		if first == nil {
			first = &Error{refused.Line, refused.Message + r.seen()}
		}
	}
	r.sep = candidates[0]
	r.Rewind()
	return nil, first
}

// Rewind goes back to the header row, to read it as a record. It may be called
// when Header has returned and nothing has been read since.
func (r *Records) Rewind() { r.pos, r.lines = r.mark, r.head }

func (r *Records) start() error {
	in, _, err := Begin(r.in)
	r.in, r.err = in, err
	return err
}

// separatorLine passes over a first line "sep=" with a separator and returns that,
// or 0.
func (r *Records) separatorLine() (byte, error) {
	const length = len("sep=;\r\n")
	r.marked = true
	for len(r.buf) < length {
		if _, err := r.more(0); err == io.EOF {
			break
		} else if err != nil {
			return 0, err
		}
	}
	line, _, _ := bytes.Cut(r.buf[:min(length, len(r.buf))], []byte{'\n'})
	text := bytes.TrimSuffix(line, []byte{'\r'})
	if len(text) != len("sep=;") || !bytes.EqualFold(text[:4], []byte("sep=")) || strings.IndexByte(r.separators, text[4]) < 0 {
		return 0, nil
	}
	r.pos = min(len(line)+1, len(r.buf))
	r.lines++
	return text[4], nil
}

// header reads the header row with the separator that is set.
func (r *Records) header() (*Header, error) {
	rec, err := r.Next()
	if err == io.EOF {
		return nil, ErrNoHeader
	}
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) error {
		return &Error{rec.Line, fmt.Sprintf(format, args...)}
	}
	if rec.TooLong {
		return nil, refuse("the header row has more than %d bytes; a quote may not be closed", r.limit)
	}
	if rec.Used > MaxCells {
		return nil, refuse("the header row has %d columns; the limit is %d", rec.Used, MaxCells)
	}
	if missing := r.missing(rec); missing != "" {
		return nil, refuse("%s", missing)
	}
	h := &Header{Text: rec.Text, Columns: make([]Column, 0, rec.Used)}
	type place struct {
		part Part
		name string
	}
	places := make(map[place]int, rec.Used)
	for i := range rec.Used {
		name := r.name(rec, i)
		c, problem := parseColumn(string(clip(name)))
		if rec.Blank == i+1 {
			problem = "begins with blanks and then a quote: remove the blanks"
		}
		if c.Part < Note && problem == "" {
			if before, twice := places[place{c.Part, c.Name}]; twice {
				problem = fmt.Sprintf("appears twice: column %d is %s too", before, Quote(c.Field()))
			}
			places[place{c.Part, c.Name}] = i + 1
		}
		if problem != "" {
			return nil, refuse("column %d %s %s", i+1, Quote(name), problem)
		}
		h.Columns = append(h.Columns, c)
	}
	for n := len(h.Columns); n > 0 && h.Columns[n-1].Part == Nameless; n-- {
		h.Columns = h.Columns[:n-1]
	}
	if !slices.ContainsFunc(h.Columns, func(c Column) bool { return c.Part <= Email }) {
		return nil, refuse("no column is userId or email, of which one is needed; column 1 is %s", Quote(r.name(rec, 0)))
	}
	h.Text = r.headerText(rec)
	return h, nil
}

// name returns the name of a column: what its cell says, or the name it is given.
func (r *Records) name(rec *Record, i int) []byte {
	cell := rec.Cell(i)
	if name, ok := r.renamed[string(bytes.TrimSpace(cell))]; ok {
		return []byte(cmp.Or(name, NoteRest))
	}
	return cell
}

// missing says which column is to be renamed and is not there, "" if all are.
func (r *Records) missing(rec *Record) string {
	if len(r.renamed) == 0 {
		return ""
	}
	there := make(map[string]bool, rec.Used)
	var shown []string
	for i := range rec.Used {
		name := string(bytes.TrimSpace(rec.Cell(i)))
		there[name] = true
		if i < maxShown {
			shown = append(shown, Quote(name))
		}
	}
	if rec.Used > maxShown {
		shown = append(shown, "…")
	}
	for _, name := range slices.Sorted(maps.Keys(r.renamed)) {
		if !there[name] {
			return fmt.Sprintf("no column is %s, which is to be renamed; the columns are %s", Quote(name), strings.Join(shown, ", "))
		}
	}
	return ""
}

// maxShown is how many names of columns a message shows.
const maxShown = 20

// headerText returns the text of a header with the names of its columns.
func (r *Records) headerText(rec *Record) []byte {
	if len(r.renamed) == 0 {
		return bytes.Clone(rec.Text)
	}
	var text []byte
	for i := range rec.Used {
		if i > 0 {
			text = append(text, r.sep)
		}
		text = append(append(append(text, '"'), bytes.ReplaceAll(r.name(rec, i), []byte{'"'}, []byte(`""`))...), '"')
	}
	return append(text, '\n')
}

// clip returns a name without blanks around it, and no more of it than it takes to
// see that it is too long.
func clip(name []byte) []byte {
	const most = 4 << 10
	name = bytes.TrimSpace(name)
	return name[:min(len(name), most)]
}

// seen names the separators that the line of a refused header has beside the one
// that it was read with.
func (r *Records) seen() string {
	line, _, _ := bytes.Cut(r.buf[r.mark:], []byte{'\n'})
	var names []string
	for i := range len(Separators) {
		if sep := Separators[i]; sep != r.sep && bytes.IndexByte(line, sep) >= 0 {
			names = append(names, strings.Replace(string([]byte{sep}), "\t", "tab", 1))
		}
	}
	if names == nil {
		return ""
	}
	return fmt.Sprintf(" (read with %q between cells; the line also has %s)", string(r.sep), strings.Join(names, " "))
}
