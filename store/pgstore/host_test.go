package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/store/pgstore"
)

// The suite knows a store by its interface. What it cannot see is tested here: what other
// programs do to the table, and a table that is not as it should be.

// members is a table that a host has had for long.
const members = `
CREATE SCHEMA app;
CREATE TABLE app.members (
	number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	login    text NOT NULL,
	mail     varchar(320),
	password text NOT NULL DEFAULT 'none',
	logins   integer NOT NULL DEFAULT 0
)`

var membersOptions = pgstore.Options{
	Schema: "app", Table: "members",
	Columns: pgstore.Columns{Tenant: "org", ID: "login", Email: "mail", Version: "bulk_version", Mark: "bulk_mark"},
}

// whatHostsAdd makes members a table of the store. docs/postgres.md has it too.
const whatHostsAdd = `
ALTER TABLE app.members
	ADD COLUMN org           text NOT NULL DEFAULT '',  -- the tenant
	ADD COLUMN custom_fields jsonb NOT NULL DEFAULT '{}',
	ADD COLUMN metadata      jsonb NOT NULL DEFAULT '{}',
	ADD COLUMN bulk_version  uuid NOT NULL DEFAULT gen_random_uuid(),
	ADD COLUMN bulk_mark     text NOT NULL DEFAULT '';

CREATE UNIQUE INDEX members_bulk_id ON app.members (login, org);
CREATE UNIQUE INDEX members_bulk_mail ON app.members (lower(mail::text COLLATE "C"), org) WHERE mail IS NOT NULL;

CREATE FUNCTION app.members_bulk_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.bulk_version := gen_random_uuid();
	RETURN NEW;
END
$$;

CREATE TRIGGER members_bulk_version
BEFORE UPDATE ON app.members
FOR EACH ROW
WHEN (NEW.bulk_version = OLD.bulk_version AND (NEW.mail, NEW.custom_fields, NEW.metadata)
	IS DISTINCT FROM (OLD.mail, OLD.custom_fields, OLD.metadata))
EXECUTE FUNCTION app.members_bulk_version();
`

// A host is another program with the same database.
type host struct {
	*testing.T
	database string
	pool     *pgxpool.Pool
	store    *pgstore.Store
}

func newHost(t *testing.T, server pgtest.Server) *host {
	t.Helper()
	database := pgtest.Database(t, server.URL, execute)
	h := &host{T: t, database: database, pool: connect(t, hasty(t, database))}
	for _, statement := range []string{members, whatHostsAdd} {
		if err := execute(t.Context(), database, statement); err != nil {
			t.Fatal(err)
		}
	}
	h.store = h.open()
	return h
}

func (h *host) open() *pgstore.Store {
	h.Helper()
	store, err := pgstore.New(h.pool, membersOptions)
	if err != nil {
		h.Fatal(err)
	}
	return store
}

func (h *host) exec(statement string, args ...any) {
	h.Helper()
	if _, err := h.pool.Exec(h.Context(), statement, args...); err != nil {
		h.Fatal(err)
	}
}

// text returns the one value of a query, as text.
func (h *host) text(query string, args ...any) string {
	h.Helper()
	var text string
	if err := h.pool.QueryRow(h.Context(), query, args...).Scan(&text); err != nil {
		h.Fatal(err)
	}
	return text
}

func (h *host) lookup(id string) bulk.Found {
	h.Helper()
	found, err := h.store.Lookup(h.Context(), "acme", []bulk.Ref{{ID: id}})
	if err != nil {
		h.Fatal(err)
	}
	return found[0]
}

func (h *host) commit(writes ...bulk.Write) []error {
	h.Helper()
	return h.store.Commit(h.Context(), "acme", writes)
}

func (h *host) add(users ...bulk.User) {
	h.Helper()
	for i, err := range h.commit(creates(users...)...) {
		if err != nil {
			h.Fatalf("user %q: %v", users[i].ID, err)
		}
	}
}

func creates(users ...bulk.User) []bulk.Write {
	writes := make([]bulk.Write, len(users))
	for i, user := range users {
		writes[i] = bulk.Write{User: user, Mark: "m"}
	}
	return writes
}

func fields(t *testing.T, text string) bulk.Fields {
	t.Helper()
	f, err := bulk.ParseFields([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConformanceInATableOfTheHost(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	bulktest.TestStore(t, func(*testing.T) bulk.Store { return h.store })
}

func TestColumnsOfTheHostStay(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		h := newHost(t, server)
		h.exec(`INSERT INTO app.members (org, login, password) VALUES ('acme', 'u', 'secret')`)
		base := h.lookup("u").ByID
		if base == nil || base.Version == "" || base.Mark != "" {
			t.Fatalf("a user that the host made is %+v", base)
		}
		w := bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{Email: "u@example.com"}}
		w.User.Email = "u@example.com"
		if err := h.commit(w)[0]; err != nil {
			t.Fatal(err)
		}
		if got := h.text(`SELECT password || ' ' || mail || ' ' || number FROM app.members`); got != "secret u@example.com 1" {
			t.Errorf("after an update the row has %q", got)
		}
	})
}

// The host counts logins while imports change the same users. Neither undoes the other, and
// the columns that only the host knows make no conflict.
func TestHostWritesAtTheSameMoment(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		h := newHost(t, server)
		h.add(bulk.User{ID: "u"})
		const logins = 200
		var counted atomic.Int32
		finished := make(chan error, 1)
		go func() {
			defer close(finished)
			for range logins {
				if _, err := h.pool.Exec(h.Context(), `UPDATE app.members SET logins = logins + 1`); err != nil {
					finished <- err
					return
				}
				counted.Add(1)
			}
		}()
		updates := 0
		for ; counted.Load() < logins; updates++ {
			base := h.lookup("u").ByID
			w := bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{CustomFields: fields(t, fmt.Sprintf(`{"n":%d}`, updates))}}
			w.User.CustomFields = w.Patch.CustomFields
			if err := h.commit(w)[0]; err != nil {
				t.Fatalf("update %d: %v", updates, err)
			}
			select {
			case err := <-finished:
				if err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		want := fmt.Sprintf(`%d {"n": %d}`, logins, updates-1)
		if got := h.text(`SELECT logins || ' ' || custom_fields FROM app.members`); got != want {
			t.Errorf("the row has %s, want %s", got, want)
		}
	})
}

func TestWriteOfTheHostIsNotUndone(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		for _, change := range []string{`custom_fields = '{"a":2}'`, `metadata = '{"a":2}'`, `mail = 'v@example.com'`} {
			h := newHost(t, server)
			h.exec(`INSERT INTO app.members (org, login, mail) VALUES ('acme', 'u', 'u@example.com')`)
			base := h.lookup("u").ByID
			h.exec(`UPDATE app.members SET ` + change)
			if err := h.commit(bulk.Write{User: base.User, Base: base})[0]; !errors.Is(err, bulk.ErrConflict) {
				t.Errorf("an update from what was before %s is %v, want %v", change, err, bulk.ErrConflict)
			}
			if got := h.lookup("u").ByID; got.User == base.User || got.Version == base.Version {
				t.Errorf("the host set %s, and there is %+v", change, got)
			}
		}
	})
}

func TestUnreadableUserFailsAlone(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	deep := strings.Repeat("[", bulk.MaxFieldDepth) + strings.Repeat("]", bulk.MaxFieldDepth)
	h.exec(`INSERT INTO app.members (org, login, mail, custom_fields, metadata) VALUES
		('acme', 'good', NULL, '{"a":1,"removed":null}', '{}'), ('acme', 'bad', 'B@example.com', '[]', '{}'),
		('acme', 'deep', NULL, '{}', jsonb_build_object('a', $1::jsonb))`, deep)
	found, err := h.store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "good"}, {ID: "bad"}, {Email: "b@EXAMPLE.com"}, {ID: "deep"}})
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

// What the host does not want is refused for good, whatever it is refused by, and the rest of
// the batch is done.
func TestConstraintOfTheHost(t *testing.T) {
	for name, statement := range map[string]string{
		"check":    `ALTER TABLE app.members ADD CHECK (login NOT LIKE 'admin%')`,
		"not null": `ALTER TABLE app.members ALTER mail SET NOT NULL`, // of which the admins have none
		"length":   `ALTER TABLE app.members ALTER login TYPE varchar(5)`,
		"unique":   `CREATE UNIQUE INDEX ON app.members ((coalesce(mail, 'none'))); INSERT INTO app.members (login) VALUES ('x')`,
		"raise": `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON app.members FOR EACH ROW WHEN (NEW.login LIKE 'admin%') EXECUTE FUNCTION refuse()`,
		"suppress": `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON app.members FOR EACH ROW WHEN (NEW.login LIKE 'admin%') EXECUTE FUNCTION refuse()`,
		"deferred": `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON app.members INITIALLY DEFERRED
			FOR EACH ROW WHEN (NEW.login LIKE 'admin%') EXECUTE FUNCTION refuse()`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, pgtest.Newest(t))
			if err := execute(t.Context(), h.database, statement); err != nil {
				t.Fatal(err)
			}
			var users []bulk.User
			for i := range 100 {
				user := bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)}
				if i%40 == 7 {
					user = bulk.User{ID: fmt.Sprint("admin", i)}
				}
				users = append(users, user)
			}
			outcomes := h.commit(creates(users...)...)
			for i, user := range users {
				done := outcomes[i] == nil
				if want := !strings.HasPrefix(user.ID, "admin"); done != want || !done && bulk.Retryable(outcomes[i]) {
					t.Errorf("user %q: %v", user.ID, outcomes[i])
				}
				if there := h.lookup(user.ID).ByID != nil; there != done {
					t.Errorf("user %q is there: %v", user.ID, there)
				}
			}
		})
	}
}

func TestUpdateThatTheHostRefuses(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	h.add(bulk.User{ID: "u"}, bulk.User{ID: "v"})
	h.exec(`ALTER TABLE app.members ADD CHECK (custom_fields->>'plan' <> 'gold')`)
	var writes []bulk.Write
	for id, plan := range map[string]string{"u": `{"plan":"gold"}`, "v": `{"plan":"free"}`} {
		base := h.lookup(id).ByID
		w := bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{CustomFields: fields(t, plan)}}
		w.User.CustomFields = w.Patch.CustomFields
		writes = append(writes, w)
	}
	for i, err := range h.commit(writes...) {
		if refused := writes[i].User.ID == "u"; refused != (err != nil) || refused && bulk.Retryable(err) {
			t.Errorf("user %q: %v", writes[i].User.ID, err)
		}
	}
}

func TestPermanentErrors(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	check := func(why string) {
		t.Helper()
		if _, err := h.store.Lookup(t.Context(), "acme", []bulk.Ref{{ID: "u"}}); err == nil || bulk.Retryable(err) {
			t.Errorf("Lookup %s: %v, want a permanent error", why, err)
		}
		if err := h.commit(creates(bulk.User{ID: "u"})...)[0]; err == nil || bulk.Retryable(err) {
			t.Errorf("Commit %s: %v, want a permanent error", why, err)
		}
	}
	h.exec(`ALTER TABLE app.members RENAME bulk_mark TO mark`)
	check("without a column")
	h.exec(`DROP TABLE app.members`)
	check("without a table")
}

// The rights that the documentation names are enough, and without them the error is permanent.
func TestRights(t *testing.T) {
	server := pgtest.Newest(t)
	database := migrated(t, server.URL)
	role := "app_" + strings.ToLower(t.Name())
	run := func(statement string) {
		t.Helper()
		if err := execute(context.Background(), database, statement); err != nil {
			t.Error(err)
		}
	}
	run(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'p'`)
	t.Cleanup(func() { run(`DROP OWNED BY ` + role + `; DROP ROLE ` + role) })
	store := open(t, as(t, database, role, "p"))
	if _, err := store.Lookup(t.Context(), "", []bulk.Ref{{ID: "u"}}); err == nil || bulk.Retryable(err) {
		t.Errorf("Lookup without rights: %v, want a permanent error", err)
	}
	run(`GRANT SELECT, INSERT, UPDATE ON bulkops_users TO ` + role)
	if err := store.Commit(t.Context(), "", creates(bulk.User{ID: "u", Email: "u@example.com"}))[0]; err != nil {
		t.Fatal(err)
	}
	found, err := store.Lookup(t.Context(), "", []bulk.Ref{{Email: "u@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(t.Context(), "", []bulk.Write{{User: found[0].ByEmail.User, Base: found[0].ByEmail}})[0]; err != nil {
		t.Error(err)
	}
}

// A call that waits for the lock of another program ends with its context, and writes nothing
// afterwards.
func TestCancelledWhileItWaits(t *testing.T) {
	h := newHost(t, pgtest.Newest(t))
	h.add(bulk.User{ID: "u"})
	base := h.lookup("u").ByID
	tx, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM app.members FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w := bulk.Write{User: base.User, Base: base, Patch: bulk.Patch{Email: "late@example.com"}}
	w.User.Email = "late@example.com"
	if err := h.store.Commit(ctx, "acme", []bulk.Write{w})[0]; !errors.Is(err, ctx.Err()) || !bulk.Retryable(err) {
		t.Errorf("Commit is %v, want %v", err, ctx.Err())
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
