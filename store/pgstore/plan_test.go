package pgstore

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/internal/test/pgtest"
)

// TestPlans shows the plan of each statement for a batch of 500 users of 100,000 (go test -v), as
// docs/postgres.md has it, and that what a user costs is a few pages.
func TestPlans(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		url := pgtest.Database(t, server.URL, func(ctx context.Context, url, statement string) error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, statement)
			return err
		})
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		if err := migrate(t.Context(), conn, ""); err != nil {
			t.Fatal(err)
		}
		run := func(statement string) {
			t.Helper()
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		run(`INSERT INTO bulkops_users (tenant, id, email, custom_fields, mark) SELECT 'acme', 'u' || n, 'u' || n || '@example.com',
			jsonb_build_object('team', 'Lakers', 'points', n), repeat('m', 60) FROM generate_series(1, 100000) AS n ORDER BY md5(n::text)`)
		run(`ANALYZE bulkops_users`)
		run(strings.ReplaceAll(planned, "true)", "false)"))

		const users = 500
		var ids, versions, emails, keys, documents, marks, moved, created, createdEmails, others, othersEmails []string
		rows, err := conn.Query(t.Context(), `SELECT id, version::text FROM bulkops_users ORDER BY version LIMIT $1`, users)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, version string
			if err := rows.Scan(&id, &version); err != nil {
				t.Fatal(err)
			}
			ids, versions = append(ids, id), append(versions, version)
			keys, emails = append(keys, id+"@example.com"), append(emails, "new-"+id+"@example.com")
			moved = append(moved, "new-"+id+"@example.com")
			created, createdEmails = append(created, "new-"+id), append(createdEmails, "created-"+id+"@example.com")
			// Of their own, as what was undone leaves entries in the indexes.
			others, othersEmails = append(others, "other-"+id), append(othersEmails, "other-"+id+"@example.com")
			documents, marks = append(documents, `{"team":"Bulls"}`), append(marks, "m")
		}
		if rows.Err() != nil || len(ids) != users {
			t.Fatal(len(ids), rows.Err())
		}
		statements := newStatements(&Options{Table: DefaultTable, Columns: Columns{
			"tenant", "id", "email", "custom_fields", "metadata", "version", "mark"}})
		for _, s := range []struct {
			name, text string
			pages      int // of all kinds for a user, at most
			arguments  []any
		}{
			{"lookup", statements.lookup, 10, []any{"acme", ids, keys}},
			{"lookup of nobody", statements.lookup, 10, []any{"acme", created, createdEmails}},
			{"insert", statements.insert, 10, []any{"acme", created, createdEmails, documents, documents, marks}},
			{"insert where some exist", statements.insertFree, 20, []any{"acme", others, othersEmails, documents, documents, marks}},
			{"update", statements.update, 20, []any{"acme", ids, versions, keys, documents, documents, marks, make([]string, users)}},
			{"update of emails", statements.update, 30, []any{"acme", ids, versions, emails, documents, documents, marks, moved}},
		} {
			plan := explain(t, conn, s.text, s.arguments)
			t.Logf("%s\n%s", s.name, plan)
			if strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s reads the whole table:\n%s", s.name, plan)
			}
			if strings.Contains(plan, "Bitmap") {
				t.Errorf("%s locks users in the order of their places:\n%s", s.name, plan)
			}
			// What a connection comes to use after some calls, for arrays of any length.
			generic := explainGeneric(t, conn, s.text, s.arguments)
			if match := removed.FindStringSubmatch(generic); match != nil && len(match[1]) > 3 {
				t.Errorf("%s compares each user with each:\n%s", s.name, generic)
			}
			if pages := pagesOf(t, plan); pages > s.pages*users {
				t.Errorf("%s takes %d pages for %d users:\n%s", s.name, pages, users, plan)
			}
		}
	})
}

// arrays are long in a plan.
var arrays = regexp.MustCompile(`'\{[^}]*\}'`)

// removed is how many pairs of users were no pair.
var removed = regexp.MustCompile(`Rows Removed by Join Filter: (\d+)`)

// explainGeneric is explain for the plan that Postgres makes without a look at the arguments.
func explainGeneric(t *testing.T, conn *pgx.Conn, statement string, arguments []any) string {
	t.Helper()
	var places []string
	for i := range arguments {
		places = append(places, fmt.Sprint("$", i+1))
	}
	for _, setup := range []string{`SET plan_cache_mode = force_generic_plan`, `PREPARE generic AS ` + statement} {
		if _, err := conn.Exec(t.Context(), setup); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if _, err := conn.Exec(t.Context(), `DEALLOCATE generic; RESET plan_cache_mode`); err != nil {
			t.Error(err)
		}
	}()
	return explain(t, conn, `EXECUTE generic (`+strings.Join(places, ", ")+`)`,
		append([]any{pgx.QueryExecModeSimpleProtocol}, arguments...))
}

// explain runs a statement, undoes it and returns its plan.
func explain(t *testing.T, conn *pgx.Conn, statement string, arguments []any) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	rows, err := tx.Query(t.Context(), `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) `+statement, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return arrays.ReplaceAllString(strings.Join(lines, "\n"), "'{…}'")
}

var buffers = regexp.MustCompile(`Buffers: shared hit=(\d+)(?: read=(\d+))?`)

// pagesOf returns how many pages the whole plan took.
func pagesOf(t *testing.T, plan string) int {
	t.Helper()
	match := buffers.FindStringSubmatch(plan) // the first is of the top, and so of all
	if match == nil {
		t.Fatalf("the plan has no buffers:\n%s", plan)
	}
	hit, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	read, _ := strconv.Atoi(match[2]) // "" is none
	return hit + read
}
