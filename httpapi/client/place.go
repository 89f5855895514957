package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// placeError gives the row that an answer of the service names its place in the
// whole. The service names it in the details, for programs, and in the message. A
// line of the header is left as it is: each part has it.
func (p *part) placeError(err error) {
	var refused *Error
	if !errors.As(err, &refused) {
		return
	}
	if line, ok := refused.number("line"); ok && line > p.head {
		refused.place("line", "line %d", line, line+p.shift)
	}
	if index, ok := refused.number("index"); ok {
		refused.place("index", "users[%d]", index, index+p.first)
	}
}

// number returns a whole number of the details.
func (e *Error) number(name string) (int, bool) {
	text, _ := e.Details[name].(json.Number)
	n, err := strconv.Atoi(string(text))
	return n, err == nil
}

// place changes a number of the details, and where the message shows it.
func (e *Error) place(name, show string, from, to int) {
	e.Details[name] = json.Number(strconv.Itoa(to))
	e.Message = strings.Replace(e.Message, fmt.Sprintf(show, from), fmt.Sprintf(show, to), 1)
}
