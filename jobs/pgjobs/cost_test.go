package pgjobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/test/pgtest"
)

// A plan is a node of what EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) says.
type plan struct {
	NodeType   string  `json:"Node Type"`
	Relation   string  `json:"Relation Name"`
	Index      string  `json:"Index Name"`
	Rows       float64 `json:"Actual Rows"`
	Loops      float64 `json:"Actual Loops"`
	Removed    float64 `json:"Rows Removed by Filter"`
	SharedHit  int     `json:"Shared Hit Blocks"`
	SharedRead int     `json:"Shared Read Blocks"`
	Plans      []plan  `json:"Plans"`
}

// buffers are the pages that the statement looked at.
func (p plan) buffers() int { return p.SharedHit + p.SharedRead }

// rows are those that all its nodes yielded or threw away.
func (p plan) rows() float64 {
	sum := (p.Rows + p.Removed) * p.Loops
	for _, child := range p.Plans {
		sum += child.rows()
	}
	return sum
}

// scans are the ways in which it read tables that are large.
func (p plan) scans() (all []string) {
	if p.Relation != "bulkops_jobs_turn" && strings.Contains(p.NodeType, "Seq Scan") {
		all = append(all, p.NodeType+" on "+p.Relation)
	}
	if p.Index != "" {
		all = append(all, p.Index)
	}
	for _, child := range p.Plans {
		all = append(all, child.scans()...)
	}
	return all
}

// explain runs a statement of the queue, takes it back, and returns its plan: one for these
// arguments, or the generic one, as a statement has that was run often.
func explain(t *testing.T, pool *pgxpool.Pool, generic bool, text string, arguments ...any) plan {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
	_, err = tx.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+map[bool]string{false: "force_custom_plan", true: "force_generic_plan"}[generic])
	require.NoError(t, err)
	_, err = tx.Prepare(t.Context(), "explained", text)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Conn().Deallocate(t.Context(), "explained")) }()
	places := make([]string, len(arguments))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	var out []byte
	explained := "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained (" + strings.Join(places, ", ") + ")"
	arguments = append([]any{pgx.QueryExecModeSimpleProtocol}, arguments...)
	require.NoError(t, tx.QueryRow(t.Context(), explained, arguments...).Scan(&out))
	var plans []struct{ Plan plan }
	require.NoError(t, json.Unmarshal(out, &plans))
	return plans[0].Plan
}

// fill makes jobs by one statement: of each tenant so many that wait, run, and have ended.
func fill(t *testing.T, pool *pgxpool.Pool, tenants, waiting, running, ended int) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `
INSERT INTO bulkops_jobs (id, tenant, spec, expires_at, updated_at, status, started_at, completed_at, lease_until, due_at, token)
SELECT format('job_%s_%s_%s', kind, lpad(n::text, 8, '0'), tenant), 'tenant ' || tenant, '{}', now() + interval '30 days', now(),
	CASE kind WHEN 0 THEN 'completed' WHEN 1 THEN 'processing' ELSE 'pending' END,
	CASE WHEN kind < 2 THEN now() END, CASE kind WHEN 0 THEN now() END,
	CASE kind WHEN 1 THEN now() + interval '1 hour' END, CASE kind WHEN 1 THEN now() + interval '1 hour' END, 2 - kind
FROM generate_series(1, $1::int) tenant, generate_series(0, 2) kind,
	LATERAL generate_series(1, CASE kind WHEN 0 THEN $4::int WHEN 1 THEN $3::int ELSE $2::int END) n
ON CONFLICT DO NOTHING`, tenants, waiting, running, ended)
	require.NoError(t, err)
}

// measure returns the plans of the statements, of a database with the jobs of fill.
func measure(t *testing.T, pool *pgxpool.Pool, q *Queue) map[string]plan {
	t.Helper()
	const tenant, running, last = "tenant 1", "job_1_00000001_1", "job_2_00000022_1"
	const minute, nonce = "1 minute", "00000000-0000-4000-8000-000000000000"
	plans := make(map[string]plan)
	for _, generic := range []bool{false, true} {
		for _, statement := range []struct {
			name, text string
			arguments  []any
		}{
			{"due", q.text.due, []any{maxDue}},
			{"claim next", q.text.claimNext, []any{minute, "worker", nonce}},
			{"claim ended", q.text.claimEnded, []any{minute, "worker", nonce}},
			{"heartbeat", q.text.save, []any{running, 1, nextStamp(), "2 hours", nil, nil, nil, "", nil, false, false, false, ""}},
			{"cancel", q.text.cancel, []any{running, "", false, nonce, ""}},
			{"list", q.text.list, []any{tenant, 21}},
			{"end of list", q.text.listNext, []any{tenant, 21, last}},
			{"list of a status", q.text.listStatus, []any{tenant, 21, "pending"}},
			{"end of the list of a status", q.text.listStatusNext, []any{tenant, 21, "pending", last}},
		} {
			name := fmt.Sprintf("%s (generic %t)", statement.name, generic)
			plans[name] = explain(t, pool, generic, statement.text, statement.arguments...)
		}
	}
	return plans
}

// What statements read does not grow with the jobs that wait, run or have ended: counted in
// pages and rows, whether the planner knows of them or not.
func TestCostDoesNotGrow(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool, err := pgxpool.New(t.Context(), pgtest.Database(t, server.URL, execute))
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		queue, err := New(pool, Options{})
		require.NoError(t, err)
		require.NoError(t, queue.Migrate(t.Context()))
		fill(t, pool, 1, 0, 1, 0)
		fill(t, pool, 2, 50, 0, 0)
		small := measure(t, pool, queue)

		// A tree becomes a level or two higher, in each of the indexes that a claim writes. A listing
		// may read a small table in another order, as long as it is small.
		const morePages, moreRows, smallTable = 24, 2, 800
		for _, step := range []struct {
			name                             string
			tenants, waiting, running, ended int
		}{
			{"600 jobs that run", 6, 0, 100, 0},
			{"10,000 more that wait", 1, 10_000, 0, 0},
			{"3 more of 1,000 tenants each", 1000, 3, 0, 0},
			{"20,000 more that have ended", 10, 0, 0, 2000},
		} {
			fill(t, pool, step.tenants, step.waiting, step.running, step.ended)
			for _, analyzed := range []bool{false, true} {
				if analyzed {
					_, err := pool.Exec(t.Context(), "ANALYZE bulkops_jobs")
					require.NoError(t, err)
				}
				for name, now := range measure(t, pool, queue) {
					before := small[name]
					where := fmt.Sprintf("%s, with %s, analyzed %t, by %v", name, step.name, analyzed, now.scans())
					assert.LessOrEqual(t, now.buffers(), before.buffers()+morePages, "pages of %s", where)
					more := float64(moreRows)
					if strings.Contains(name, "list") {
						more = smallTable
					}
					assert.LessOrEqual(t, now.rows(), before.rows()+more, "rows of %s", where)
					t.Logf("%s: %d pages (%d), %.0f rows (%.0f)", where, now.buffers(), before.buffers(), now.rows(), before.rows())
				}
			}
		}
	})
}

// execute is what package pgtest needs of the driver.
func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
