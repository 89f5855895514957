// Package interleave has tests only. They run the real workers of package bulk on
// one job, two or three at once, and decide the order of everything that they do
// to their backends: a call takes effect now or later, once or twice, its answer
// arrives, is lost or is late, another worker takes the job over, the job is
// cancelled, other programs write the same users. At the end a check that knows
// only the contract explains every write and every result, or names the rule that
// was broken and the schedule that broke it.
//
// The time is that of [testing/synctest]: a schedule is a list of choices, and the
// same choices make the same run.
//
// Schedules and check are themselves checked, by a small worker that keeps the
// rules of the journal and can leave out any one of them.
//
// By default a scenario gets a few hundred schedules. For more:
//
//	INTERLEAVE_RUNS=20000 go test ./internal/test/interleave -timeout 2h -rapid.checks=20000
package interleave
