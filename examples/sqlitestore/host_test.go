package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/sqlitestore"
)

// The suite knows a store by its interface. What it cannot see is tested here: what
// other programs do to the table, and a table that is not as it should be.

// A host is another program that has the database open.
type host struct {
	*testing.T
	store *sqlitestore.Store
	db    *sql.DB
}

func newHost(t *testing.T) *host {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users of a host?.db")
	h := &host{T: t, store: open(t, path)}
	db, err := sql.Open("sqlite", strings.ReplaceAll("file:"+path, "?", "%3f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h.db = db
	return h
}

func (h *host) exec(statement string, args ...any) {
	h.Helper()
	if _, err := h.db.ExecContext(h.Context(), statement, args...); err != nil {
		h.Fatal(err)
	}
}

func (h *host) lookup(id string) bulk.Found {
	h.Helper()
	found, err := h.store.Lookup(h.Context(), "acme", []bulk.Ref{{ID: id}})
	if err != nil {
		h.Fatal(err)
	}
	return found[0]
}

func (h *host) commit(w bulk.Write) error {
	h.Helper()
	return h.store.Commit(h.Context(), "acme", []bulk.Write{w})[0]
}

func TestColumnsOfTheHostStay(t *testing.T) {
	h := newHost(t)
	h.exec("ALTER TABLE users ADD COLUMN password TEXT")
	h.exec("INSERT INTO users (tenant, id, password) VALUES ('acme', 'u', 'secret')")
	base := h.lookup("u").ByID
	if base == nil || base.Version == "" || base.Mark != "" {
		t.Fatalf("a user that the host made is %+v", base)
	}
	w := bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{Email: "u@example.com"}}
	w.User.Email = "u@example.com"
	if err := h.commit(w); err != nil {
		t.Fatal(err)
	}
	var password, email string
	if err := h.db.QueryRowContext(t.Context(), "SELECT password, email FROM users").Scan(&password, &email); err != nil {
		t.Fatal(err)
	}
	if password != "secret" || email != "u@example.com" {
		t.Errorf("after an update the row has the password %q and the email %q", password, email)
	}
}

func TestWriteOfTheHostIsNotUndone(t *testing.T) {
	h := newHost(t)
	h.exec(`INSERT INTO users (tenant, id, custom_fields) VALUES ('acme', 'u', '{"a":1}')`)
	base := h.lookup("u").ByID
	h.exec(`UPDATE users SET custom_fields = '{"a":2}'`)
	if err := h.commit(bulk.Write{User: base.User, Base: base}); !errors.Is(err, bulk.ErrConflict) {
		t.Errorf("an update from what was before the host's is %v, want %v", err, bulk.ErrConflict)
	}
	if got := h.lookup("u").ByID.CustomFields.String(); got != `{"a":2}` {
		t.Errorf("the host wrote %s, and there is %s", `{"a":2}`, got)
	}
}

func TestUnreadableUserFailsAlone(t *testing.T) {
	h := newHost(t)
	h.exec(`INSERT INTO users (tenant, id, email, email_key, custom_fields) VALUES
		('acme', 'good', NULL, NULL, '{"a":1,"removed":null}'), ('acme', 'bad', 'B@example.com', 'b@example.com', 'no JSON')`)
	found, err := h.store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "good"}, {ID: "bad"}, {Email: "b@EXAMPLE.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if good := found[0]; good.Err != nil || good.ByID == nil || good.ByID.CustomFields.String() != `{"a":1}` {
		t.Errorf("the user that can be read is %+v", good)
	}
	for _, bad := range found[1:] {
		if bad.Err == nil || bulk.Retryable(bad.Err) || bad.ByID != nil || bad.ByEmail != nil {
			t.Errorf("the user that cannot be read is %+v, want a permanent error", bad)
		}
	}
}

// A constraint that the host has added refuses the row that breaks it, for good.
func TestConstraintOfTheHost(t *testing.T) {
	h := newHost(t)
	h.exec(`CREATE TRIGGER no_admin BEFORE INSERT ON users WHEN NEW.id = 'admin' BEGIN SELECT RAISE(ABORT, 'no'); END`)
	outcomes := h.store.Commit(t.Context(), "acme", []bulk.Write{{User: bulk.User{ID: "admin"}}, {User: bulk.User{ID: "u"}}})
	if outcomes[0] == nil || bulk.Retryable(outcomes[0]) || outcomes[1] != nil {
		t.Errorf("outcomes are %v, want a permanent error and nil", outcomes)
	}
	if h.lookup("admin").ByID != nil || h.lookup("u").ByID == nil {
		t.Error("what was refused is there, or what was done is not")
	}
}

func TestMissingTableIsPermanent(t *testing.T) {
	h := newHost(t)
	h.exec("DROP TABLE users")
	if _, err := h.store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "u"}}); err == nil || bulk.Retryable(err) {
		t.Errorf("Lookup without a table: %v, want a permanent error", err)
	}
	if err := h.commit(bulk.Write{User: bulk.User{ID: "u"}}); err == nil || bulk.Retryable(err) {
		t.Errorf("Commit without a table: %v, want a permanent error", err)
	}
}

// A call that waits for the lock of another program ends with its context.
func TestCancelledWhileItWaits(t *testing.T) {
	h := newHost(t)
	conn, err := h.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.store.Commit(ctx, "acme", []bulk.Write{{User: bulk.User{ID: "u"}}})[0]; !errors.Is(err, ctx.Err()) {
		t.Errorf("Commit is %v, want %v", err, ctx.Err())
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if h.lookup("u").ByID != nil {
		t.Error("a Commit that was cancelled wrote the user")
	}
}

func TestUsersSurviveTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	first, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := bulk.User{ID: "u", Email: "U@example.com"}
	if err := first.Commit(t.Context(), "acme", []bulk.Write{{User: want, Mark: "m"}})[0]; err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := open(t, path).Lookup(t.Context(), "acme", []bulk.Ref{{Email: "u@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := found[0].ByEmail; got == nil || got.User != want || got.Mark != "m" {
		t.Errorf("after opening the file again the user is %+v", got)
	}
}
