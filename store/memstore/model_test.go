package memstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/store/memstore"
)

// TestModel compares the store with a map, over random commits.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := memstore.New()
		model := make(map[string]bulk.User)
		versions := make(map[string][]bulk.Stored) // all that were seen of a user
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		email := rapid.SampledFrom([]string{"", "x@example.com", "X@example.com", "y@example.com", "z@example.com"})
		value := rapid.SampledFrom([]string{`null`, `1`, `{"n":null}`, `""`})
		patch := rapid.Custom(func(t *rapid.T) bulk.Fields {
			f, err := bulk.ParseFields(fmt.Appendf(nil, `{"%s":%s}`, rapid.SampledFrom([]string{"p", "q"}).Draw(t, "name"), value.Draw(t, "value")))
			if err != nil {
				t.Fatal(err)
			}
			return f
		})
		owner := func(email string) string {
			for id, user := range model {
				if email != "" && bulk.EmailKey(user.Email) == bulk.EmailKey(email) {
					return id
				}
			}
			return ""
		}
		commit := func(t *rapid.T, w bulk.Write, want error) {
			got := s.Commit(t.Context(), "acme", []bulk.Write{w})[0]
			if !errors.Is(got, want) {
				t.Fatalf("outcome is %v, want %v", got, want)
			}
			if want == nil {
				model[w.User.ID] = w.User
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				user := bulk.User{ID: id.Draw(t, "id"), Email: email.Draw(t, "email"), CustomFields: bulk.Fields{}.Merge(patch.Draw(t, "fields"))}
				_, exists := model[user.ID]
				switch {
				case exists:
					commit(t, bulk.Write{User: user}, bulk.ErrConflict)
				case owner(user.Email) != "":
					commit(t, bulk.Write{User: user}, bulk.ErrEmailTaken)
				default:
					commit(t, bulk.Write{User: user}, nil)
				}
			},
			"update": func(t *rapid.T) {
				id := id.Draw(t, "id")
				if len(versions[id]) == 0 {
					t.Skip("never seen")
				}
				back := rapid.IntRange(1, min(2, len(versions[id]))).Draw(t, "back")
				base := versions[id][len(versions[id])-back]
				w := bulk.Write{User: base.User, Base: &base, Patch: bulk.Patch{Email: email.Draw(t, "email"), CustomFields: patch.Draw(t, "fields")}}
				w.User.CustomFields = w.User.CustomFields.Merge(w.Patch.CustomFields)
				if w.Patch.Email != "" {
					w.User.Email = w.Patch.Email
				}
				_, exists := model[id]
				taken := owner(w.Patch.Email)
				switch {
				case !exists || back > 1:
					commit(t, w, bulk.ErrConflict)
				case taken != "" && taken != id:
					commit(t, w, bulk.ErrEmailTaken)
				default:
					commit(t, w, nil)
				}
			},
			"delete": func(t *rapid.T) {
				id := id.Draw(t, "id")
				_, exists := model[id]
				if s.Delete("acme", id) != exists {
					t.Fatalf("Delete reports %t", !exists)
				}
				delete(model, id)
			},
			"": func(t *rapid.T) { // after every step
				for _, id := range []string{"a", "b", "c", "d"} {
					found, err := s.Lookup(t.Context(), "acme", []bulk.Ref{{ID: id}})
					if err != nil {
						t.Fatal(err)
					}
					want, exists := model[id]
					switch got := found[0].ByID; {
					case exists != (got != nil):
						t.Fatalf("user %q exists: %t, want %t", id, got != nil, exists)
					case exists && got.User != want:
						t.Fatalf("user %q is %+v, want %+v", id, got.User, want)
					case exists && (len(versions[id]) == 0 || versions[id][len(versions[id])-1].Version != got.Version):
						versions[id] = append(versions[id], *got)
					}
				}
				for _, email := range []string{"x@example.com", "y@example.com", "z@example.com"} {
					found, err := s.Lookup(t.Context(), "acme", []bulk.Ref{{Email: email}})
					if err != nil {
						t.Fatal(err)
					}
					got := ""
					if found[0].ByEmail != nil {
						got = found[0].ByEmail.ID
					}
					if want := owner(email); got != want {
						t.Fatalf("email %q belongs to %q, want %q", email, got, want)
					}
				}
				ids := slices.Sorted(maps.Keys(model))
				for i, user := range s.Users("acme") {
					if user.ID != ids[i] {
						t.Fatalf("Users has %q at %d, want %q", user.ID, i, ids[i])
					}
				}
			},
		})
	})
}
