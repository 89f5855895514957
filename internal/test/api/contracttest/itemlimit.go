package contracttest

import (
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// filled is a row whose user has exactly size bytes, in a text of the field.
func (w *world) filled(id, field string, size int) string {
	w.Helper()
	text := func(n int) string { return fmt.Sprintf(`{"text":"%s"}`, strings.Repeat("x", n)) }
	u := bulk.User{ID: id}
	switch field {
	case "metadata":
		u.Metadata = w.fields(text(0))
	default:
		u.CustomFields = w.fields(text(0))
	}
	return fmt.Sprintf(`{"userId":"%s","%s":%s}`, id, field, text(size-u.Size()))
}

func testItemLimit(s *suite) {
	for _, m := range modes {
		for _, f := range objectFields {
			s.run(fmt.Sprintf("%s/%s at the limit and one byte above", m, f.field), func(w *world) {
				fits, large := w.filled("fits", f.field, bulk.MaxUser), w.filled("large", f.field, bulk.MaxUser+1)
				o := m.send(w, bodyOf(`{"userId":"before"}`, large, fits, `{"userId":"after"}`))
				o.row(0, "created")
				o.row(1, "failed", userTooLarge)
				o.row(2, "created")
				o.row(3, "created")
				w.lacks(o.answer, "large")
				if got := w.stored("fits").Size(); got != bulk.MaxUser {
					o.errorf("the stored user has %d bytes, want %d", got, bulk.MaxUser)
				}
			})
		}
		s.run(fmt.Sprintf("%s/an update to the limit and one byte above", m), func(w *world) {
			half := strings.Repeat("x", bulk.MaxUser/2)
			w.seed(fmt.Sprintf(`{"userId":"u","metadata":{"half":"%s"}}`, half))
			rest := bulk.MaxUser - w.stored("u").Size()
			// An object that is not empty has one byte more, and a key its length.
			row := func(n int) string {
				return fmt.Sprintf(`{"userId":"u","customFields":{"k":"%s"}}`, strings.Repeat("y", n))
			}
			with := func(n int) int {
				u := w.stored("u").User
				u.CustomFields = w.fields(fmt.Sprintf(`{"k":"%s"}`, strings.Repeat("y", n)))
				return u.Size()
			}
			n := rest - (with(1) - 1 - (bulk.MaxUser - rest))
			if with(n) != bulk.MaxUser {
				w.Fatalf("a user of %d bytes instead of %d", with(n), bulk.MaxUser)
			}
			o := m.send(w, bodyOf(row(n+1)))
			o.row(0, "failed", userTooLarge)
			if w.stored("u").CustomFields.Len() != 0 {
				o.errorf("a user that would be too large was written")
			}
			m.send(w, bodyOf(row(n))).row(0, "updated")
			// Two that fit one by one do not fit together.
			o = m.send(w, bodyOf(`{"userId":"u","customFields":{"l":1}}`, `{"userId":"u","customFields":{"k":null,"l":1}}`))
			o.row(0, "failed", userTooLarge)
			o.row(1, "updated")
		})
	}
	s.run("the limit counts bytes and not characters", func(w *world) {
		text := strings.Repeat("é", bulk.MaxUser/2)
		o := w.post(bodyOf(fmt.Sprintf(`{"userId":"u","customFields":{"text":"%s"}}`, text))).outcome()
		o.row(0, "failed", userTooLarge)
	})
	s.run("a row of many megabytes fails by itself", func(w *world) {
		large := fmt.Sprintf(`{"userId":"large","customFields":{"text":"%s"}}`, strings.Repeat("x", 5<<20))
		o := w.post(bodyOf(`{"userId":"before"}`, large, `{"userId":"after"}`)).outcome()
		o.row(0, "created")
		o.row(1, "failed", userTooLarge)
		o.row(2, "created")
	})
}
