package bulktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
)

var storeFaults = []fault{
	{sound, ""},
	{"create overwrites", "Create/RefusesIDInUse"},
	{"create ignores emails", "Create/RefusesEmailInUse"},
	{"no email is an email too", "Create/NeedsNoEmail"},
	{"emails are compared exactly", "Create/RefusesEmailInUseInOtherCase"},
	{"emails are folded beyond ASCII", "Identity/EmailsAreComparedByEmailKey"},
	{"emails are stored folded", "Create/StoresTheUser"},
	{"refused create claims its email", "Create/RefusedClaimsNothing"},
	{"refused create keeps the user", "Create/RefusesEmailInUse"},
	{"emails are checked outside the lock", "Race/OneCreateWithAnEmail"},
	{"ids are checked outside the lock", "Race/OneCreateOfAnID"},
	{"versions are checked outside the lock", "Race/OneUpdateFromAVersion"},
	{"update ignores the version", "Update/RefusesAnOldVersion"},
	{"update of an email ignores the version", "Update/RefusesAnOldVersion"},
	{"version is a hash", "Update/RefusesAVersionThatWasPassed"},
	{"version is empty", "Create/StoresTheUser"},
	{"empty patch is not written", "Update/EmptyPatchStoresTheMark"},
	{"update creates", "Update/RefusesAMissingUser"},
	{"patch replaces all fields", "Update/ChangesWhatThePatchNames"},
	{"patch merges nested objects", "Update/ChangesWhatThePatchNames"},
	{"patch of metadata is lost", "Update/CustomFieldsAndMetadataAreApart"},
	{"null is stored", "Update/NullRemovesAField"},
	{"null of an absent field is a conflict", "Update/NullRemovesAField"},
	{"more than 300 fields are refused", "Update/ManyFieldsAtOnce"},
	{"update keeps the mark", "Update/StoresTheMark"},
	{"marks are cut", "Create/StoresTheMark"},
	{"old email stays claimed", "Email/ChangeMovesTheClaim"},
	{"new email is not claimed", "Email/ChangeMovesTheClaim"},
	{"case-only change frees the email", "Email/CaseOnlyChange"},
	{"case-only change is refused", "Email/CaseOnlyChange"},
	{"refused email applies the other fields", "Email/ChangeRefusesEmailInUse"},
	{"refused change frees the old email", "Email/ChangeRefusedKeepsTheClaim"},
	{"lookup misses emails", "Lookup/FindsByEmail"},
	{"lookup of both finds by id alone", "Lookup/FindsByBoth"},
	{"lookup of nobody fails", "Lookup/MissingUserIsNoError"},
	{"lookup of nothing finds somebody", "Lookup/EmptyRefNamesNobody"},
	{"lookup refuses repeated references", "Lookup/SameUserInSeveralRefs"},
	{"lookup leaves out who is missing", "Lookup/MissingUserIsNoError"},
	{"lookup is eventually consistent", "Lookup/SeesWhatIsDone"},
	{"lookup by email reads in two steps", "Race/EmailFindsItsOwner"},
	{"outcomes are in the order of kinds", "Batch/OutcomesByIndex"},
	{"one failure fails the batch", "Batch/FailuresDoNotSpread"},
	{"the batch stops at a failure", "Batch/FailuresDoNotSpread"},
	{"one write too many is taken", "Batch/RefusesMoreThanMaxBatch"},
	{"one write less is the most", "Batch/TakesMaxBatch"},
	{"4 MB are the most of a batch", "Size/FullBatchOfLargestUsers"},
	{"numbers are floats", "Fields/NumbersStayExact"},
	{"empty strings are dropped", "Fields/StringsStayExact"},
	{"nested nulls are dropped", "Fields/LiteralsStay"},
	{"empty containers are null", "Fields/EmptyContainersStay"},
	{"arrays are sets", "Fields/ArraysKeepOrderAndKinds"},
	{"names with dots are paths", "Fields/NamesAreOnlyNames"},
	{"names are cut", "Fields/NamesAreOnlyNames"},
	{"20 levels are the most", "Fields/DeepNesting"},
	{"tenants are one", "Identity/TenantsAreSeparate"},
	{"tenant and id run together", "Identity/TenantAndIDDoNotRunTogether"},
	{"ids ignore case", "Identity/IDsAreComparedByteByByte"},
	{"white space in ids is squeezed", "Identity/IDsAreComparedByteByByte"},
	{"size of an update is not checked", "Size/UpdateRefusesLargerUser"},
	{"size of a create is not checked", "Size/CreateRefusesLargerUser"},
	{"the mark counts as part of the user", "Size/LargestUserFits"},
	{"results share memory", "Arguments/ResultsAreCopies"},
	{"writes are sorted in place", "Arguments/AreNotModified"},
	{"users are kept by reference", "Arguments/AreNotKept"},
	{"contexts are ignored", "Context/CancelledCallFails"},
}

func testBrokenStore(t *testing.T, fault string) {
	bulktest.TestStore(t, func(*testing.T) bulk.Store {
		return &naiveStore{fault: fault, users: make(map[string]*bulk.Stored), owners: make(map[string]string), kept: make(map[string]*bulk.Write)}
	})
}

// A naiveStore is a store as simple as can be, with one fault.
type naiveStore struct {
	fault string

	mu      sync.Mutex
	users   map[string]*bulk.Stored
	owners  map[string]string // the key of a user, by that of an email
	kept    map[string]*bulk.Write
	commits int
}

func (s *naiveStore) has(fault string) bool { return s.fault == fault }

func (s *naiveStore) userKey(tenant, id string) string {
	switch s.fault {
	case "tenants are one":
		return id
	case "tenant and id run together":
		return tenant + "#" + id
	case "ids ignore case":
		id = strings.ToLower(id)
	case "white space in ids is squeezed":
		id = strings.Join(strings.Fields(id), " ")
	}
	return fmt.Sprintf("%d:%s%s", len(tenant), tenant, id)
}

func (s *naiveStore) emailKey(tenant, email string) string {
	switch s.fault {
	case "tenants are one":
		tenant = ""
	case "emails are compared exactly":
	case "emails are folded beyond ASCII":
		email = strings.ToLower(email)
	default:
		email = bulk.EmailKey(email)
	}
	return fmt.Sprintf("%d:%s%s", len(tenant), tenant, email)
}

// MaxBatch is not the default, so that the cases ask for it.
func (s *naiveStore) MaxBatch() int { return 30 }

func (s *naiveStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if ctx.Err() != nil && !s.has("contexts are ignored") {
		return nil, ctx.Err()
	}
	if len(refs) < 1 || len(refs) > s.MaxBatch() {
		return nil, bulk.ErrBatchTooLarge
	}
	if s.has("lookup refuses repeated references") {
		seen := make(map[bulk.Ref]bool)
		for _, ref := range refs {
			if seen[ref] {
				return nil, errors.New("provided list of item keys contains duplicates")
			}
			seen[ref] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, w := range s.kept {
		s.users[key].User = w.User
	}
	found := make([]bulk.Found, len(refs))
	for i, ref := range refs {
		if ref.ID != "" {
			found[i].ByID = s.read(s.users[s.userKey(tenant, ref.ID)])
		}
		if s.has("lookup of nothing finds somebody") && ref == (bulk.Ref{}) {
			for _, user := range s.users {
				found[i].ByID = s.read(user)
			}
		}
		if ref.Email == "" || s.has("lookup misses emails") || s.has("lookup of both finds by id alone") && ref.ID != "" {
			continue
		}
		key := s.owners[s.emailKey(tenant, ref.Email)]
		if s.has("lookup by email reads in two steps") {
			s.mu.Unlock()
			time.Sleep(100 * time.Microsecond)
			s.mu.Lock()
		}
		found[i].ByEmail = s.read(s.users[key])
	}
	switch {
	case s.has("lookup of nobody fails") && slices.Contains(found, bulk.Found{}):
		return nil, errors.New("no such user")
	case s.has("lookup leaves out who is missing"):
		found = slices.DeleteFunc(found, func(f bulk.Found) bool { return f == bulk.Found{} })
	}
	return found, nil
}

func (s *naiveStore) read(user *bulk.Stored) *bulk.Stored {
	if user == nil || s.has("results share memory") {
		return user
	}
	result := *user
	return &result
}

func (s *naiveStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	fail := func(err error) []error {
		for i := range outcomes {
			outcomes[i] = err
		}
		return outcomes
	}
	most := s.MaxBatch()
	switch s.fault {
	case "one write too many is taken":
		most++
	case "one write less is the most":
		most--
	}
	size := 0
	for _, w := range writes {
		size += w.User.Size()
	}
	switch {
	case ctx.Err() != nil && !s.has("contexts are ignored"):
		return fail(ctx.Err())
	case len(writes) > most:
		return fail(bulk.ErrBatchTooLarge)
	case size > 4<<20 && s.has("4 MB are the most of a batch"):
		return fail(errors.New("transaction is too large"))
	}
	if s.has("writes are sorted in place") {
		slices.Reverse(writes)
	}
	for i := range writes {
		outcomes[i] = s.write(tenant, &writes[i])
		if outcomes[i] == nil {
			continue
		}
		if s.has("one failure fails the batch") {
			return fail(outcomes[i])
		}
		if s.has("the batch stops at a failure") {
			for j := i + 1; j < len(outcomes); j++ {
				outcomes[j] = errors.New("not processed")
			}
			break
		}
	}
	if s.has("outcomes are in the order of kinds") {
		var creates, updates []error
		for i, w := range writes {
			if w.Base == nil {
				creates = append(creates, outcomes[i])
			} else {
				updates = append(updates, outcomes[i])
			}
		}
		outcomes = slices.Concat(creates, updates)
	}
	return outcomes
}

func (s *naiveStore) write(tenant string, w *bulk.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkSize(w); err != nil {
		return err
	}
	if s.has("refused create claims its email") && w.Base == nil && w.User.Email != "" {
		if err := s.checkEmail(tenant, w); err != nil {
			return err
		}
		s.owners[s.emailKey(tenant, w.User.Email)] = s.userKey(tenant, w.User.ID)
	}
	if s.has("refused change frees the old email") && w.Base != nil && w.Patch.Email != "" && w.Base.Email != "" {
		delete(s.owners, s.emailKey(tenant, w.Base.Email))
	}
	outside := func() {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	if s.has("emails are checked outside the lock") {
		if err := s.checkEmail(tenant, w); err != nil {
			return err
		}
		outside()
	}
	if err := s.checkUser(tenant, w); err != nil {
		return err
	}
	if s.has("ids are checked outside the lock") && w.Base == nil || s.has("versions are checked outside the lock") && w.Base != nil {
		outside()
	}
	if !s.has("emails are checked outside the lock") {
		if err := s.checkEmail(tenant, w); err != nil {
			if s.has("refused email applies the other fields") && w.Base != nil {
				part := *w
				part.Patch.Email = ""
				s.apply(tenant, &part)
			}
			if s.has("refused create keeps the user") && w.Base == nil {
				part := *w
				part.User.Email = ""
				s.apply(tenant, &part)
			}
			return err
		}
	}
	s.apply(tenant, w)
	return nil
}

func (s *naiveStore) checkSize(w *bulk.Write) error {
	size := w.User.Size()
	switch {
	case s.has("size of an update is not checked") && w.Base != nil, s.has("size of a create is not checked") && w.Base == nil:
		return nil
	case s.has("the mark counts as part of the user"):
		size += len(w.Mark)
	case s.has("20 levels are the most") && strings.Contains(w.User.CustomFields.String(), strings.Repeat("[", 20)):
		return errors.New("too deep")
	case s.has("more than 300 fields are refused") && w.Patch.CustomFields.Len() > 300:
		return errors.New("expression has too many operators")
	}
	if size > bulk.MaxUser {
		return bulk.ErrUserTooLarge
	}
	return nil
}

func (s *naiveStore) checkUser(tenant string, w *bulk.Write) error {
	held := s.users[s.userKey(tenant, w.User.ID)]
	switch {
	case w.Base == nil && held != nil && !s.has("create overwrites"):
		return bulk.ErrConflict
	case w.Base == nil:
		return nil
	case held == nil && s.has("update creates"):
		return nil
	case held == nil:
		return bulk.ErrConflict
	case held.Version == w.Base.Version, s.has("update ignores the version"), s.has("update of an email ignores the version") && w.Patch.Email != "":
	default:
		return bulk.ErrConflict
	}
	if s.has("null of an absent field is a conflict") {
		for name, value := range w.Patch.CustomFields.All() {
			if _, ok := held.CustomFields.Get(name); !ok && string(value) == "null" {
				return bulk.ErrConflict
			}
		}
	}
	return nil
}

func (s *naiveStore) checkEmail(tenant string, w *bulk.Write) error {
	email := w.User.Email
	if w.Base != nil {
		email = w.Patch.Email
	} else if s.has("create ignores emails") {
		return nil
	}
	if email == "" && !(w.Base == nil && s.has("no email is an email too")) {
		return nil
	}
	owner, owned := s.owners[s.emailKey(tenant, email)]
	if owned && (owner != s.userKey(tenant, w.User.ID) || s.has("case-only change is refused") && email != w.Base.Email) {
		return bulk.ErrEmailTaken
	}
	return nil
}

// apply does a write that passed all checks.
func (s *naiveStore) apply(tenant string, w *bulk.Write) {
	key := s.userKey(tenant, w.User.ID)
	next := bulk.Stored{User: w.User, Mark: w.Mark}
	held := s.users[key]
	if w.Base != nil && held != nil {
		next.User = held.User
		next.CustomFields = s.merge(held.CustomFields, w.Patch.CustomFields)
		if !s.has("patch of metadata is lost") {
			next.Metadata = s.merge(held.Metadata, w.Patch.Metadata)
		}
		if w.Patch.Email != "" {
			next.Email = w.Patch.Email
		}
	}
	next.CustomFields, next.Metadata = s.mangle(next.CustomFields), s.mangle(next.Metadata)
	if held != nil && held.Email != "" && held.Email != next.Email && !s.has("old email stays claimed") {
		delete(s.owners, s.emailKey(tenant, held.Email))
	}
	if next.Email != "" && !(w.Base != nil && s.has("new email is not claimed")) || s.has("no email is an email too") {
		s.owners[s.emailKey(tenant, next.Email)] = key
	}
	s.commits++
	next.Version = fmt.Sprint(s.commits)
	switch {
	case s.has("case-only change frees the email") && held != nil && held.Email != next.Email:
		delete(s.owners, s.emailKey(tenant, held.Email))
	case s.has("emails are stored folded"):
		next.Email = bulk.EmailKey(next.Email)
	case s.has("version is a hash"):
		next.Version = fmt.Sprintf("%x %x %x", next.Email, next.CustomFields, next.Mark)
	case s.has("version is empty"):
		next.Version = ""
	case s.has("update keeps the mark") && held != nil:
		next.Mark = held.Mark
	case s.has("marks are cut"):
		next.Mark = next.Mark[:min(len(next.Mark), bulk.MaxMark/2)]
	case s.has("empty patch is not written") && w.Base != nil && w.Patch.IsZero():
		return
	case s.has("lookup is eventually consistent"):
		time.AfterFunc(time.Millisecond, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.users[key] = &next
		})
		return
	case s.has("users are kept by reference"):
		s.kept[key] = w
	}
	s.users[key] = &next
}

func (s *naiveStore) merge(base, patch bulk.Fields) bulk.Fields {
	switch s.fault {
	case "patch replaces all fields":
		if !patch.IsZero() {
			return bulk.Fields{}.Merge(patch)
		}
	case "patch merges nested objects":
		for name, value := range patch.All() {
			old, ok := base.Get(name)
			if ok && value[0] == '{' && old[0] == '{' {
				nested, err := bulk.ParseFields(old)
				must(err)
				change, err := bulk.ParseFields(value)
				must(err)
				patch = patch.Merge(field(name, nested.Merge(change).String()))
			}
		}
	case "null is stored":
		merged := base.Merge(patch)
		for name, value := range patch.All() {
			if string(value) == "null" {
				member := field(name, "null").String()
				if !merged.IsZero() {
					member = member[:len(member)-1] + "," + merged.String()[1:]
				}
				merged = parse(member)
			}
		}
		return merged
	}
	return base.Merge(patch)
}

// mangle does to fields what encodings do.
func (s *naiveStore) mangle(f bulk.Fields) bulk.Fields {
	if f.IsZero() {
		return f
	}
	switch s.fault {
	case "numbers are floats":
		var values map[string]any
		must(json.Unmarshal([]byte(f.String()), &values))
		mangled, err := bulk.NewFields(values)
		if err != nil {
			return f
		}
		return mangled
	case "empty strings are dropped", "nested nulls are dropped", "empty containers are null", "arrays are sets":
		decoder := json.NewDecoder(strings.NewReader(f.String()))
		decoder.UseNumber()
		values := make(map[string]any)
		must(decoder.Decode(&values))
		for name, value := range values {
			values[name] = s.mangleValue(value)
		}
		mangled, err := bulk.NewFields(values)
		must(err)
		return mangled
	case "names with dots are paths", "names are cut":
		mangled := f
		for name, value := range f.All() {
			other := strings.ReplaceAll(name, ".", "/")
			if s.has("names are cut") {
				other = name[:min(len(name), 255)]
				other = strings.ToValidUTF8(other, "")
			}
			if other != name {
				mangled = mangled.Merge(field(name, "null")).Merge(field(other, string(value)))
			}
		}
		return mangled
	}
	return f
}

func (s *naiveStore) mangleValue(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" && s.has("empty strings are dropped") {
			return nil
		}
	case []any:
		if len(v) == 0 && s.has("empty containers are null") {
			return nil
		}
		if s.has("arrays are sets") {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		for i := range v {
			v[i] = s.mangleValue(v[i])
		}
	case map[string]any:
		if len(v) == 0 && s.has("empty containers are null") {
			return nil
		}
		for name := range v {
			if v[name] == nil && s.has("nested nulls are dropped") {
				delete(v, name)
			} else {
				v[name] = s.mangleValue(v[name])
			}
		}
	}
	return value
}

func field(name, value string) bulk.Fields {
	quoted, err := json.Marshal(name)
	must(err)
	return parse(fmt.Sprintf("{%s:%s}", quoted, value))
}

func parse(text string) bulk.Fields {
	f, err := bulk.ParseFields([]byte(text))
	must(err)
	return f
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
