package audit

import (
	"cmp"
	"fmt"
	"slices"
)

// A Kind is what a finding amounts to.
type Kind string

// The kinds of findings.
const (
	// Lost is a write that was reported and is not there.
	Lost Kind = "lost"
	// Doubled is a row that was applied twice, or to two users; an address that
	// two users have.
	Doubled Kind = "doubled"
	// Misreported is a result that is not what happened.
	Misreported Kind = "misreported"
	// Stuck is a request that never came to an end.
	Stuck Kind = "stuck"
)

// Kinds are all kinds, in the order of reports.
var Kinds = []Kind{Lost, Doubled, Misreported, Stuck}

// A Finding is one broken promise.
type Finding struct {
	Kind   Kind
	Import string // "" if no single import is at fault
	Row    int    // -1 if no single row is at fault
	User   User   // zero if no single user is concerned
	Text   string // what is there and what was expected
}

func (f Finding) String() string {
	text := string(f.Kind) + ":"
	if f.Import != "" {
		text += " import " + f.Import
	}
	if f.Row >= 0 {
		text += fmt.Sprintf(" row %d", f.Row)
	}
	if f.User != (User{}) {
		text += fmt.Sprintf(" user %s", f.User)
	}
	return text + ": " + f.Text
}

// find notes a finding. The same one is noted once, however often it is seen.
func (a *Auditor) find(f Finding) {
	if a.found[f] {
		return
	}
	a.found[f] = true
	a.findings = append(a.findings, f)
}

func (a *Auditor) findRow(kind Kind, r *row, user User, format string, args ...any) {
	a.find(Finding{kind, r.of.Name, r.index, user, fmt.Sprintf(format, args...)})
}

func (a *Auditor) findUser(kind Kind, user User, format string, args ...any) {
	a.find(Finding{kind, "", -1, user, fmt.Sprintf(format, args...)})
}

func (a *Auditor) findImport(kind Kind, im *record, format string, args ...any) {
	a.find(Finding{kind, im.Name, -1, User{}, fmt.Sprintf(format, args...)})
}

// Count returns how many findings are of each kind.
func Count(findings []Finding) map[Kind]int {
	counts := make(map[Kind]int)
	for _, f := range findings {
		counts[f.Kind]++
	}
	return counts
}

func sorted(findings []Finding) []Finding {
	all := slices.Clone(findings)
	slices.SortStableFunc(all, func(f, g Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(Kinds, f.Kind), slices.Index(Kinds, g.Kind)),
			cmp.Compare(f.Import, g.Import), cmp.Compare(f.Row, g.Row))
	})
	return all
}
