package client

import "io"

// A Body is the body of a part and where its rows stand in the whole.
type Body struct {
	Text               []byte
	First, Rows, Shift int
}

// Bodies returns the bodies that a source is sent in.
func Bodies(source Source, maxUsers int, maxBody int64) ([]Body, error) {
	rows := source.rows()
	defer rows.close()
	parts := &splitter{rows: rows, format: source.format, maxUsers: maxUsers, maxBody: maxBody}
	var all []Body
	for {
		p, err := parts.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, Body{p.body, p.first, p.rows, p.shift})
	}
}

// Decoded returns a text in UTF-8 as sources read it.
func Decoded(text io.Reader) io.Reader { return &decoder{in: text} }
