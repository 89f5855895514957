package memstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestConformance(t *testing.T) {
	bulktest.TestStore(t, func(*testing.T) bulk.Store { return memstore.New() })
}

func BenchmarkConformance(b *testing.B) {
	bulktest.BenchmarkStore(b, func(*testing.B) bulk.Store { return memstore.New() })
}

// BenchmarkTenThousand is an import of 10,000 new users without the import: 400
// lookups and commits.
func BenchmarkTenThousand(b *testing.B) {
	const count = 10_000
	refs, writes := make([]bulk.Ref, count), make([]bulk.Write, count)
	for i := range writes {
		f, err := bulk.NewFields(map[string]any{"team": "Lakers", "points": i, "skills": []string{"go", "sql"}})
		require.NoError(b, err)
		user := bulk.User{ID: fmt.Sprintf("user-%06d", i), Email: fmt.Sprintf("user-%06d@example.com", i), CustomFields: f}
		refs[i], writes[i] = bulk.Ref{ID: user.ID, Email: user.Email}, bulk.Write{User: user, Mark: "job"}
	}
	b.ReportAllocs()
	for b.Loop() {
		s := memstore.New()
		for i := 0; i < count; i += bulk.MaxBatch {
			if _, err := s.Lookup(b.Context(), "acme", refs[i:i+bulk.MaxBatch]); err != nil {
				b.Fatal(err)
			}
			for _, err := range s.Commit(b.Context(), "acme", writes[i:i+bulk.MaxBatch]) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

func lookup(t *testing.T, s *memstore.Store, ref bulk.Ref) bulk.Found {
	t.Helper()
	found, err := s.Lookup(t.Context(), "acme", []bulk.Ref{ref})
	require.NoError(t, err)
	return found[0]
}

func parse(t *testing.T, text string) bulk.Fields {
	t.Helper()
	f, err := bulk.ParseFields([]byte(text))
	require.NoError(t, err)
	return f
}

func TestPutIsAnotherProgramsWrite(t *testing.T) {
	s := memstore.New()
	require.NoError(t, s.Put("acme", bulk.User{ID: "u", Email: "u@example.com"}))
	base := lookup(t, s, bulk.Ref{ID: "u"}).ByID
	assert.NotEmpty(t, base.Version)
	assert.Empty(t, base.Mark)

	require.NoError(t, s.Put("acme", bulk.User{ID: "u", Email: "new@example.com"}))
	now := lookup(t, s, bulk.Ref{ID: "u", Email: "u@example.com"})
	assert.NotEqual(t, base.Version, now.ByID.Version)
	assert.Nil(t, now.ByEmail, "the old email is free")
	assert.Equal(t, now.ByID, lookup(t, s, bulk.Ref{Email: "NEW@example.com"}).ByEmail)

	user := base.User
	outcomes := s.Commit(t.Context(), "acme", []bulk.Write{{User: user, Base: base}})
	require.ErrorIs(t, outcomes[0], bulk.ErrConflict)

	require.NoError(t, s.Put("acme", bulk.User{ID: "u"}))
	assert.Nil(t, lookup(t, s, bulk.Ref{Email: "new@example.com"}).ByEmail, "an email that is taken away is free")
}

func TestPutRefuses(t *testing.T) {
	s := memstore.New()
	large := bulk.User{ID: "large", CustomFields: parse(t, fmt.Sprintf(`{"a":"%0*d"}`, bulk.MaxUser, 0))}
	require.NoError(t, s.Put("acme", bulk.User{ID: "a", Email: "a@example.com"}, bulk.User{ID: "b"}))
	assert.ErrorIs(t, s.Put("acme", bulk.User{ID: "c", Email: "A@example.com"}), bulk.ErrEmailTaken)
	assert.ErrorIs(t, s.Put("acme", bulk.User{ID: "b", Email: "A@example.com"}), bulk.ErrEmailTaken)
	assert.ErrorIs(t, s.Put("acme", large), bulk.ErrUserTooLarge)
	assert.Error(t, s.Put("acme", bulk.User{Email: "nobody@example.com"}))
	assert.Equal(t, []bulk.User{{ID: "a", Email: "a@example.com"}, {ID: "b"}}, s.Users("acme"))
}

func TestDelete(t *testing.T) {
	s := memstore.New()
	assert.False(t, s.Delete("acme", "u"))
	require.NoError(t, s.Put("acme", bulk.User{ID: "u", Email: "u@example.com"}))
	assert.False(t, s.Delete("other", "u"))
	base := lookup(t, s, bulk.Ref{ID: "u"}).ByID
	assert.True(t, s.Delete("acme", "u"))
	assert.Equal(t, bulk.Found{}, lookup(t, s, bulk.Ref{ID: "u", Email: "u@example.com"}))
	outcomes := s.Commit(t.Context(), "acme", []bulk.Write{{User: base.User, Base: base}})
	assert.ErrorIs(t, outcomes[0], bulk.ErrConflict)
	assert.Zero(t, s.Len("acme"))
}

func TestContents(t *testing.T) {
	s := memstore.New()
	assert.Empty(t, s.Users("acme"))
	assert.Zero(t, s.Len("acme"))
	_, ok := s.Get("acme", "a")
	assert.False(t, ok)

	require.NoError(t, s.Put("acme", bulk.User{ID: "b"}, bulk.User{ID: "a", Email: "A@example.com"}, bulk.User{ID: "C"}))
	require.NoError(t, s.Put("other", bulk.User{ID: "z"}))
	assert.Equal(t, []bulk.User{{ID: "C"}, {ID: "a", Email: "A@example.com"}, {ID: "b"}}, s.Users("acme"))
	assert.Equal(t, 3, s.Len("acme"))
	user, ok := s.Get("acme", "a")
	assert.True(t, ok)
	assert.Equal(t, "A@example.com", user.Email)
	_, ok = s.Get("acme", "z")
	assert.False(t, ok)
}

// An update reads nothing of Write.User that the Patch does not name, as with a
// database that writes paths.
func TestUpdateIsAppliedToWhatIsHeld(t *testing.T) {
	s := memstore.New()
	require.NoError(t, s.Put("acme", bulk.User{ID: "u", Email: "u@example.com", CustomFields: parse(t, `{"held":1}`)}))
	base := lookup(t, s, bulk.Ref{ID: "u"}).ByID
	wrong := bulk.User{ID: "u", Email: "wrong@example.com", CustomFields: parse(t, `{"wrong":1}`)}
	outcomes := s.Commit(t.Context(), "acme", []bulk.Write{{User: wrong, Base: base, Patch: bulk.Patch{CustomFields: parse(t, `{"added":2}`)}}})
	require.NoError(t, outcomes[0])
	got, _ := s.Get("acme", "u")
	assert.Equal(t, bulk.User{ID: "u", Email: "u@example.com", CustomFields: parse(t, `{"added":2,"held":1}`)}, got)
}

func TestErrorsNameUsersButNoEmails(t *testing.T) {
	s := memstore.New()
	require.NoError(t, s.Put("acme", bulk.User{ID: "a", Email: "secret@example.com"}))
	err := s.Commit(t.Context(), "acme", []bulk.Write{{User: bulk.User{ID: "b", Email: "secret@example.com"}}})[0]
	assert.EqualError(t, err, `memstore: create user "b": bulk: email belongs to another user`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Lookup(ctx, "acme", []bulk.Ref{{ID: "a"}})
	assert.EqualError(t, err, "memstore: lookup: context canceled")
}
