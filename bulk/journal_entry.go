package bulk

import (
	"slices"
	"strconv"
)

// An entry is one decision of an import, as its journal has it: a write with the
// rows that are done by it, or the result of a row that needs no write.
//
// The rows of a write are the one that asked for it and those behind it that were
// decided on top of it: they are done with it or not at all.
type entry struct {
	Rows []entryRow `json:"rows"`
	// UserID is the user that the rows mean, "" if there is none.
	UserID string `json:"userId,omitempty"`

	// The rest is there for a write only.

	// Nonce is what the write leaves on the user.
	Nonce string `json:"nonce,omitempty"`
	// Create is the user to be created.
	Create *User `json:"create,omitempty"`
	// Base is where an update starts from.
	Base *entryBase `json:"base,omitempty"`
	// Patch is what an update changes.
	Patch entryPatch `json:"patch,omitzero"`

	// An entry needs no more memory than its own for what most have.
	firstRow [1]entryRow
	created  User
}

// An entryRow is a row with the result that it has once its entry is done.
type entryRow struct {
	Index  int        `json:"index"`
	Status Status     `json:"status"`
	Errors []RowError `json:"errors,omitempty"`
}

// An entryBase is the state of a user that an update starts from: the version,
// and the number of writes in the trail.
type entryBase struct {
	Version string `json:"version"`
	Writes  int64  `json:"writes"`
}

// An entryPatch is a [Patch] with names for its JSON.
type entryPatch struct {
	Email        string `json:"email,omitempty"`
	CustomFields Fields `json:"customFields,omitzero"`
	Metadata     Fields `json:"metadata,omitzero"`
}

// last returns the highest row of the entry.
func (e *entry) last() int { return e.Rows[len(e.Rows)-1].Index }

// writes reports whether the entry is a write.
func (e *entry) writes() bool { return e.Nonce != "" }

// entries makes entries for writes, which share their memory and that of their nonces.
type entries struct {
	most   int
	made   []entry
	nonces string
}

// newEntries returns what makes up to so many entries.
func newEntries(most int) entries { return entries{most: most} }

// next returns the next entry, of the user and without rows.
func (s *entries) next(userID string) *entry {
	if s.made == nil {
		s.made, s.nonces = make([]entry, 0, s.most), newNonces(s.most)
	}
	s.made = append(s.made, entry{UserID: userID, Nonce: s.nonces[:nonceLength]})
	s.nonces = s.nonces[nonceLength:]
	e := &s.made[len(s.made)-1]
	e.Rows = e.firstRow[:0]
	return e
}

// aim sets what the entry writes, by the last decision of its rows to write: its patch,
// or, if several rows share the write, what comes of them all. base is the user as it
// was found.
func (e *entry) aim(base *Stored, last *decision, several bool) {
	user := &last.user.User
	if base == nil {
		e.created = *user
		e.Create = &e.created
		return
	}
	e.Base = &entryBase{base.Version, parseTrail(base.Mark).count}
	e.Patch = entryPatch(last.patch)
	if several {
		e.Patch = entryPatch{
			CustomFields: base.CustomFields.changes(user.CustomFields),
			Metadata:     base.Metadata.changes(user.Metadata),
		}
		if user.Email != base.Email {
			e.Patch.Email = user.Email
		}
	}
}

// write returns the write of the entry. user is the user as it was looked up; the
// write is done only if that is the entry's base.
func (e *entry) write(user *Stored) Write {
	if e.Create != nil {
		return Write{User: *e.Create, Mark: trail{}.push(e.Nonce)}
	}
	next := user.User
	next.CustomFields = next.CustomFields.Merge(e.Patch.CustomFields)
	next.Metadata = next.Metadata.Merge(e.Patch.Metadata)
	if e.Patch.Email != "" {
		next.Email = e.Patch.Email
	}
	return Write{User: next, Base: user, Patch: Patch(e.Patch), Mark: parseTrail(user.Mark).push(e.Nonce)}
}

// A verdict says what became of the write of an entry.
type verdict int

const (
	live    verdict = iota // it was not done, and can be
	applied                // it was done
	dead                   // it was not done, and cannot be any more
	unknown                // nobody can tell any more
)

// judge tells what became of the write, by the user with the id of the entry as
// the store has it now, nil if there is none.
func (e *entry) judge(user *Stored) verdict {
	switch {
	case e.Create != nil && user == nil:
		return live
	case e.Create != nil:
		trail := parseTrail(user.Mark)
		if trail.count == 0 {
			return dead // another program made the user
		}
		return e.judgeNonce(trail.at(1))
	case user == nil:
		return unknown // it may have been updated before it was deleted
	case user.Version == e.Base.Version:
		return live
	}
	trail := parseTrail(user.Mark)
	switch {
	case trail.count < e.Base.Writes:
		return unknown // it was deleted and made anew, or its mark was removed
	case trail.count == e.Base.Writes:
		return dead // another program changed it
	default:
		return e.judgeNonce(trail.at(e.Base.Writes + 1))
	}
}

// judgeNonce tells by the nonce that stands where that of the entry would have to
// be, if the trail still has it.
func (e *entry) judgeNonce(nonce string, ok bool) verdict {
	switch {
	case !ok:
		return unknown
	case nonce == e.Nonce:
		return applied
	default:
		return dead
	}
}

// appendJSON appends what encoding/json makes of the entry, several times as fast.
func (e *entry) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"rows":[`...)
	for i := range e.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.Rows[i].appendJSON(dst)
	}
	dst = append(dst, ']')
	dst = appendMember(dst, `,"userId":`, e.UserID)
	if !e.writes() {
		return append(dst, '}')
	}
	dst = appendMember(dst, `,"nonce":`, e.Nonce)
	if e.Create != nil {
		dst = append(dst, `,"create":{"userId":`...)
		dst = appendString(dst, e.Create.ID)
		dst = appendMember(dst, `,"email":`, e.Create.Email)
		dst = appendFields(dst, `,"customFields":`, e.Create.CustomFields)
		dst = appendFields(dst, `,"metadata":`, e.Create.Metadata)
		return append(dst, '}', '}')
	}
	dst = append(dst, `,"base":{"version":`...)
	dst = appendString(dst, e.Base.Version)
	dst = append(dst, `,"writes":`...)
	dst = strconv.AppendInt(dst, e.Base.Writes, 10)
	dst = append(dst, '}')
	if e.Patch == (entryPatch{}) {
		return append(dst, '}')
	}
	dst = append(dst, `,"patch":{`...)
	first := len(dst)
	dst = appendMember(dst, `,"email":`, e.Patch.Email)
	dst = appendFields(dst, `,"customFields":`, e.Patch.CustomFields)
	dst = appendFields(dst, `,"metadata":`, e.Patch.Metadata)
	dst = slices.Delete(dst, first, first+1) // the comma before the first member
	return append(dst, '}', '}')
}

func (r *entryRow) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(r.Index), 10)
	dst = appendString(append(dst, `,"status":`...), string(r.Status))
	dst = appendErrors(dst, r.Errors)
	return append(dst, '}')
}

func appendFields(dst []byte, name string, f Fields) []byte {
	if f.IsZero() {
		return dst
	}
	return append(append(dst, name...), f.text...)
}
