package bulk

import (
	"strconv"
	"strings"
)

// A mark is what an import leaves on a user that it writes, so that it knows its
// own rows again: after a crash, when rows without a durable result are repeated,
// and after an answer of the store that was lost. It names the rows of the import
// whose outcomes are behind that write, with their outcomes, so that each of them
// gets the result that it had, although the user has changed since.
//
// The text is a list of imports, the latest last: "RUN:ROWoROWo RUN:ROWo", o
// being one letter for the outcome. A few earlier imports are kept, as several
// may be under way at once.
type mark struct {
	run  string
	rows []markedRow
}

type markedRow struct {
	row     int
	outcome byte
}

// The outcomes in a mark.
const (
	markCreated      = 'c'
	markUpdated      = 'u'
	markUnchanged    = 'n'
	markSkipped      = 's'
	markUserExists   = 'x'
	markEmailTaken   = 'e'
	markUserTooLarge = 'l'
	markStoreError   = 'f' // after all retries
	markStoreRefused = 'p' // for good
)

// Other imports' parts of a mark are dropped, oldest first, beyond these bounds.
const (
	maxOtherRuns  = 4
	maxOtherBytes = MaxMark / 2
)

// parseMark returns the rows of run that text has, and the text of the other
// imports. Text that is not a mark has none.
func parseMark(text, run string) (rows []markedRow, others []string) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, " ") {
		name, list, ok := strings.Cut(part, ":")
		switch {
		case !ok:
		case name != run:
			others = append(others, part)
		default:
			rows = parseMarkedRows(list)
		}
	}
	return rows, others
}

func parseMarkedRows(list string) []markedRow {
	var rows []markedRow
	start := 0
	for i := range len(list) {
		if '0' <= list[i] && list[i] <= '9' {
			continue
		}
		row, err := strconv.Atoi(list[start:i])
		if err != nil {
			return rows
		}
		rows = append(rows, markedRow{row, list[i]})
		start = i + 1
	}
	return rows
}

// text formats the mark with what is kept of the other imports. It reports false
// if the rows are too many for [MaxMark].
func (m mark) text(others []string) (string, bool) {
	if len(others) > maxOtherRuns {
		others = others[len(others)-maxOtherRuns:]
	}
	size := 0
	for _, part := range others {
		size += len(part) + 1
	}
	for size > maxOtherBytes {
		size -= len(others[0]) + 1
		others = others[1:]
	}
	text := make([]byte, 0, 64)
	for _, part := range others {
		text = append(text, part...)
		text = append(text, ' ')
	}
	text = append(text, m.run...)
	text = append(text, ':')
	for _, r := range m.rows {
		text = strconv.AppendInt(text, int64(r.row), 10)
		text = append(text, r.outcome)
	}
	return string(text), len(text) <= MaxMark
}

// outcomeOf returns the letter of a row's outcome.
func outcomeOf(status Status, errors []RowError) byte {
	switch status {
	case StatusCreated:
		return markCreated
	case StatusUpdated:
		return markUpdated
	case StatusUnchanged:
		return markUnchanged
	case StatusSkipped:
		return markSkipped
	}
	if len(errors) == 0 {
		return markStoreError
	}
	switch errors[0].Code {
	case CodeUserExists:
		return markUserExists
	case CodeEmailTaken:
		return markEmailTaken
	case CodeUserTooLarge:
		return markUserTooLarge
	}
	if errors[0].Retryable {
		return markStoreError
	}
	return markStoreRefused
}

// recall returns the decision that a marked row had. userID is that of the user
// that bears the mark.
func recall(outcome byte, userID string) decision {
	d := decision{userID: userID}
	switch outcome {
	case markCreated:
		d.status = StatusCreated
	case markUpdated:
		d.status = StatusUpdated
	case markUnchanged:
		d.status = StatusUnchanged
	case markSkipped:
		d.status = StatusSkipped
	case markUserExists:
		d.fail(userExists())
	case markEmailTaken:
		d.fail(emailTaken())
	case markUserTooLarge:
		d.fail(userTooLarge())
	case markStoreRefused:
		d.fail(storeError(false))
	default:
		d.fail(storeError(true))
	}
	return d
}

// recallRow looks for the row among the marks of the users it found.
func recallRow(p *plan, found Found, run string) (decision, bool) {
	users := [2]*Stored{found.ByID, found.ByEmail}
	for _, user := range users {
		if user == nil || !strings.Contains(user.Mark, run) {
			continue
		}
		rows, _ := parseMark(user.Mark, run)
		for _, r := range rows {
			if r.row != p.index {
				continue
			}
			id := p.ID
			if id == "" {
				id = user.ID
			}
			return recall(r.outcome, id), true
		}
	}
	return decision{}, false
}
