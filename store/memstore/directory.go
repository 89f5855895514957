package memstore

import "github.com/bulkops/bulkops/bulk"

// A directory has the users of one tenant, and who owns which email. Its store's
// lock guards it.
type directory struct {
	users  map[string]*bulk.Stored // by id
	owners map[string]*bulk.Stored // by EmailKey
}

func newDirectory() *directory {
	return &directory{
		users:  make(map[string]*bulk.Stored),
		owners: make(map[string]*bulk.Stored),
	}
}

// create adds a user, which the directory takes over.
func (d *directory) create(user *bulk.Stored) error {
	if d.users[user.ID] != nil {
		return bulk.ErrConflict
	}
	if user.Email != "" {
		key := bulk.EmailKey(user.Email)
		if d.owners[key] != nil {
			return bulk.ErrEmailTaken
		}
		d.owners[key] = user
	}
	d.users[user.ID] = user
	return nil
}

// update applies the patch of w to the user that the directory holds.
func (d *directory) update(w *bulk.Write, version string) error {
	held := d.users[w.User.ID]
	if held == nil || held.Version != w.Base.Version {
		return bulk.ErrConflict
	}
	next := held.User
	next.CustomFields = next.CustomFields.Merge(w.Patch.CustomFields)
	next.Metadata = next.Metadata.Merge(w.Patch.Metadata)
	if w.Patch.Email != "" {
		next.Email = w.Patch.Email
	}
	if !next.Fits() {
		return bulk.ErrUserTooLarge
	}
	return d.replace(held, bulk.Stored{User: next, Version: version, Mark: w.Mark})
}

// replace changes a user that the directory holds, its claim to an email with it.
func (d *directory) replace(held *bulk.Stored, next bulk.Stored) error {
	if next.Email != held.Email {
		if next.Email != "" {
			key := bulk.EmailKey(next.Email)
			if owner := d.owners[key]; owner != nil && owner != held {
				return bulk.ErrEmailTaken
			}
			d.release(held)
			d.owners[key] = held
		} else {
			d.release(held)
		}
	}
	*held = next
	return nil
}

// release gives up a user's claim to its email.
func (d *directory) release(user *bulk.Stored) {
	if user.Email != "" {
		delete(d.owners, bulk.EmailKey(user.Email))
	}
}
