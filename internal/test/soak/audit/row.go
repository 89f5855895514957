package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// codeOutcomeUnknown is the code of a row of which it cannot be told whether it
// was applied.
const codeOutcomeUnknown bulk.RowCode = "OUTCOME_UNKNOWN"

func outcomeUnknown(result *bulk.RowResult) bool {
	return slices.ContainsFunc(result.Errors, func(e bulk.RowError) bool { return e.Code == codeOutcomeUnknown })
}

// checkRow checks one result against what was seen.
func (a *Auditor) checkRow(r *row, result *bulk.RowResult, users map[User]*FinalUser) {
	u := User{r.of.Tenant, result.UserID}
	if r.UserID != "" && result.UserID != "" && r.UserID != result.UserID {
		a.findRow(Misreported, r, u, "it names the user %s", r.UserID)
		return
	}
	if r.of.Options.DryRun {
		a.unwritten(r, "it belongs to a dry run")
		return
	}
	if r.Invalid && result.Status != bulk.StatusFailed && result.Status != bulk.StatusNotProcessed {
		a.findRow(Misreported, r, u, "it is invalid and reported as %s", result.Status)
		return
	}
	switch result.Status {
	case bulk.StatusCreated, bulk.StatusUpdated:
		a.checkWritten(r, result, u, users)
	case bulk.StatusUnchanged:
		a.unwritten(r, "it is reported as unchanged")
		a.mustExist(r, u, users)
		if r.Witness != "" {
			a.findRow(Misreported, r, u, "it is reported as unchanged and sets a field that no user had")
		}
	case bulk.StatusSkipped:
		a.unwritten(r, "it is reported as skipped")
		a.mustExist(r, u, users)
		if !r.of.Options.SkipDuplicates {
			a.findRow(Misreported, r, u, "it is reported as skipped without skipDuplicates")
		}
	case bulk.StatusFailed:
		a.checkFailed(r, result, u)
	case bulk.StatusNotProcessed:
		a.unwritten(r, "it is reported as notProcessed")
		if r.of.status != bulk.JobCancelled && r.of.status != bulk.JobFailed {
			a.findRow(Misreported, r, u, "it is reported as notProcessed in an import that is neither cancelled nor failed")
		}
	}
}

// checkWritten checks a row that is reported to have been applied.
func (a *Auditor) checkWritten(r *row, result *bulk.RowResult, u User, users map[User]*FinalUser) {
	if result.UserID == "" {
		a.findRow(Misreported, r, User{}, "it is reported as %s, without the user", result.Status)
		return
	}
	if !a.mustExist(r, u, users) {
		return
	}
	if result.Status == bulk.StatusCreated {
		known := a.user(u)
		known.creators = append(known.creators, r)
		for _, other := range sortedRows(known) {
			if seen := other.on[u].seen; seen < r.of.begun {
				a.findRow(Misreported, r, u, "it is reported to have created the user, who was there before: row %d of %s was seen applied at %v, this one was sent at %v",
					other.index, other.of.Name, seen, r.of.begun)
				break
			}
		}
	}
	switch {
	case r.Witness == "":
		if result.Status != bulk.StatusCreated {
			a.findRow(Misreported, r, u, "it is reported as %s and changes nothing", result.Status)
		}
	case len(r.on) == 0:
		a.findRow(Lost, r, u, "it is reported as %s and was seen nowhere", result.Status)
	case r.on[u] == nil:
		a.findRow(Misreported, r, u, "it is reported as %s and was applied to %v", result.Status, usersOf(r))
	default:
		a.tally.Explained++
		a.late(r)
	}
}

// checkFailed checks a row that is reported as failed.
func (a *Auditor) checkFailed(r *row, result *bulk.RowResult, u User) {
	if outcomeUnknown(result) {
		return // once at most, which samples check
	}
	var codes []string
	for _, e := range result.Errors {
		codes = append(codes, string(e.Code))
	}
	a.unwritten(r, fmt.Sprintf("it is reported as failed (%s)", strings.Join(codes, ", ")))
	if len(codes) == 0 {
		a.findRow(Misreported, r, u, "it is reported as failed, without a reason")
	}
	for _, e := range result.Errors {
		right := r.Invalid
		switch e.Code {
		case bulk.CodeStoreError:
			right = !r.Invalid
		case bulk.CodeUserExists:
			right = !r.of.Options.Upsert && !r.of.Options.SkipDuplicates
		case bulk.CodeEmailTaken:
			owners := a.owners[User{r.of.Tenant, bulk.EmailKey(r.Email)}]
			right = len(owners) > 1 || len(owners) == 1 && !owners[r.UserID]
		}
		if !right {
			a.findRow(Misreported, r, u, "it is reported as failed (%s), and nothing explains that", e.Code)
		}
	}
}

// unwritten checks that a row was applied to nobody.
func (a *Auditor) unwritten(r *row, because string) {
	for _, name := range usersOf(r) {
		r.contradicted = true
		a.findRow(Misreported, r, User{}, "%s, and was applied to %s", because, name)
	}
}

// late checks that a row was not applied after its import had ended.
func (a *Auditor) late(r *row) {
	for u, s := range r.on {
		if r.of.ended > 0 && s.absent > r.of.ended {
			a.findRow(Misreported, r, u, "it was applied after its import had ended: the end was seen at %v, the row not yet at %v", r.of.ended, s.absent)
		}
	}
}

// mustExist reports whether the user of a result exists.
func (a *Auditor) mustExist(r *row, u User, users map[User]*FinalUser) bool {
	if users[u] == nil {
		a.findRow(Lost, r, u, "its result names the user, who does not exist")
		return false
	}
	return true
}

// sortedRows are the rows that were applied to a user, in an order that does not
// change.
func sortedRows(u *user) []*row {
	rows := make([]*row, 0, len(u.rows))
	for _, r := range u.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(r, s *row) int {
		return cmp.Or(cmp.Compare(r.of.begun, s.of.begun), cmp.Compare(r.of.Name, s.of.Name), cmp.Compare(r.index, s.index))
	})
	return rows
}

func namesOf(rows []*row) []string {
	var names []string
	for _, r := range rows {
		names = append(names, fmt.Sprintf("row %d of %s", r.index, r.of.Name))
	}
	return names
}
