package bulk

import (
	"errors"
	"fmt"
)

// A decision is what a row comes to, given what the store holds.
type decision struct {
	status Status
	// errors say why, if the status is failed.
	errors []RowError
	// userID is the user's id: that of the row, of the user found, or a new one.
	userID string
	// user is the user as it is afterwards, without an id if there is none.
	user Stored
	// writes says whether a write is to make it so: a create, or, if there is a base,
	// an update of that by the patch.
	writes bool
	base   *Stored
	patch  Patch
}

// decide says what a row means. This is the one place that knows the options'
// meaning; it has no effects, so every store, dry runs included, has the same
// rules. newID names the user that a row without userId creates.
func decide(p *plan, found Found, opts Options, newID string) decision {
	target := found.ByEmail
	if p.ID != "" {
		target = found.ByID
	}
	switch {
	case target == nil && opts.UpdateOnly:
		d := decision{userID: p.ID}
		d.fail(userNotFound())
		return d
	case target == nil:
		return create(p, found, newID)
	}
	d := decision{userID: target.ID, user: *target}
	switch {
	case opts.SkipDuplicates:
		d.status = StatusSkipped
	case !opts.Upsert:
		d.fail(userExists())
	case p.ID != "" && found.ByEmail != nil && found.ByEmail.ID != target.ID:
		d.fail(emailTaken(found.ByEmail))
	default:
		d.update(p, target, opts.Merge)
	}
	return d
}

func create(p *plan, found Found, newID string) decision {
	user := p.User
	if p.removes {
		user.CustomFields = Fields{}.Merge(p.CustomFields)
		user.Metadata = Fields{}.Merge(p.Metadata)
	}
	if user.ID == "" {
		user.ID = newID
	}
	d := decision{userID: user.ID}
	switch {
	case found.ByEmail != nil: // so the row has an id, and nobody has that
		d.fail(emailTaken(found.ByEmail))
	case !user.Fits():
		d.fail(userTooLarge())
	default:
		d.status, d.writes = StatusCreated, true
		d.user = Stored{User: user, Version: dryCreated}
	}
	return d
}

func (d *decision) update(p *plan, target *Stored, merge MergeMode) {
	patch := Patch{
		CustomFields: merge.patch(target.CustomFields, p.CustomFields, p.hasCustomFields),
		Metadata:     merge.patch(target.Metadata, p.Metadata, p.hasMetadata),
	}
	// A row that names its user by email alone does not ask for the address to
	// be spelled anew.
	if p.ID != "" && p.Email != "" && p.Email != target.Email {
		patch.Email = p.Email
	}
	if patch.IsZero() {
		d.status = StatusUnchanged
		return
	}
	user := target.User
	user.CustomFields = user.CustomFields.Merge(patch.CustomFields)
	user.Metadata = user.Metadata.Merge(patch.Metadata)
	if patch.Email != "" {
		user.Email = patch.Email
	}
	if !user.Fits() {
		d.fail(userTooLarge())
		return
	}
	d.status, d.writes, d.base, d.patch = StatusUpdated, true, target, patch
	d.user = Stored{User: user, Version: target.Version, Mark: target.Mark}
}

// maxChanges is how many names of changed fields a result lists: an administrator
// reads a few, and a row may have thousands.
const maxChanges = 100

// changes names what an update changes.
func (d *decision) changes() []string {
	if d.status != StatusUpdated {
		return nil
	}
	var names []string
	if d.patch.Email != "" {
		names = append(names, keyEmail)
	}
	for _, object := range []struct {
		name   string
		fields Fields
	}{{keyCustomFields, d.patch.CustomFields}, {keyMetadata, d.patch.Metadata}} {
		for name := range object.fields.All() {
			if len(names) == maxChanges {
				return names
			}
			names = append(names, object.name+"."+name)
		}
	}
	return names
}

// concernsOnly reports whether the row can concern no user but that one: it names
// it, and would not change its address.
func (p *plan) concernsOnly(user *Stored) bool {
	switch {
	case user.ID == "":
		return false // there is none
	case p.ID != "":
		return p.ID == user.ID && (p.Email == "" || p.Email == user.Email)
	default:
		return EmailKey(p.Email) == EmailKey(user.Email)
	}
}

// foundAs is what a lookup of a row would find that concerns that user only.
func foundAs(p *plan, user Stored) (found Found) {
	if p.ID != "" {
		found.ByID = &user
	}
	if p.Email != "" {
		found.ByEmail = &user
	}
	return found
}

// generatedID returns the id for a user that the row may have to create.
func generatedID(p *plan, run string) string {
	if p.ID != "" {
		return ""
	}
	return generatedUserID(run, p.index)
}

// failed is the decision on a row that the store failed. found is what was looked up
// last.
func failed(p *plan, found Found, err error) decision {
	d := decision{userID: p.ID}
	switch {
	case errors.Is(err, ErrEmailTaken):
		d.fail(emailTaken(found.ByEmail))
	case errors.Is(err, ErrUserTooLarge):
		d.fail(userTooLarge())
	case errors.Is(err, ErrConflict):
		d.fail(storeError(true)) // others were always faster
	default:
		d.fail(storeError(Retryable(err)))
	}
	return d
}

// releasesEmail reports whether the write frees an address for others.
func (w *Write) releasesEmail() bool {
	return w.Base != nil && w.Base.Email != "" && EmailKey(w.Base.Email) != EmailKey(w.User.Email)
}

func (d *decision) fail(err RowError) {
	d.status = StatusFailed
	d.errors = []RowError{err}
}

func userExists() RowError {
	return RowError{Code: CodeUserExists, Message: "the user exists and upsert is false"}
}

func userNotFound() RowError {
	return RowError{Code: CodeUserNotFound, Message: "the user does not exist and updateOnly is true"}
}

// emailTaken is for an email of another user, nil if the store does not find it.
func emailTaken(owner *Stored) RowError {
	e := RowError{Code: CodeEmailTaken, Field: keyEmail, Message: "the email belongs to another user"}
	if owner != nil {
		e.ConflictsWith = owner.ID
	}
	return e
}

func userTooLarge() RowError {
	return RowError{Code: CodeUserTooLarge, Message: fmt.Sprintf("the user would be larger than %d bytes", MaxUser)}
}

func storeError(retryable bool) RowError {
	return RowError{Code: CodeStoreError, Message: "the user could not be written", Retryable: retryable}
}

// unknownOutcome reports whether nobody can tell if the row was applied.
func unknownOutcome(r RowResult) bool {
	return len(r.Errors) > 0 && r.Errors[0].Code == CodeOutcomeUnknown
}

func outcomeUnknown() RowError {
	return RowError{Code: CodeOutcomeUnknown,
		Message: "whether the user was written cannot be told any more; look at the user before the row is sent again"}
}
