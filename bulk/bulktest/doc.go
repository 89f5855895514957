// Package bulktest proves that backends keep the promises of package bulk.
//
// [TestStore], [TestBlobStore], [TestJobQueue] and [TestIdempotencyKeyStore] are
// conformance suites: every promise of an interface is one named case, and a case that
// fails says which promise is broken. [BenchmarkStore], [BenchmarkBlobStore] and
// [BenchmarkJobQueue] measure a backend. A backend needs one test for each:
//
//	func TestConformance(t *testing.T) {
//		bulktest.TestStore(t, func(t *testing.T) bulk.Store { return newStore(t) })
//	}
//
// # Databases that are shared
//
// Every case calls open once, and uses names that no other case and no other run
// uses: tenants, blob keys and job ids with random parts. So open may return a
// fresh backend each time, as is cheap in memory, or the same real database for
// all cases. It may also call t.Skip or register a cleanup. Cases do not expect
// the database to be empty and leave users behind; blobs and jobs they remove or
// end.
//
// One thing a job queue cannot separate by names: a claim without an id takes any
// job. The cases that make such claims run one after the other, before all
// others. They give back what is not theirs; but no workers may run on a queue
// while it is tested, and no second run of the suite.
//
// # Time
//
// Cases run in parallel. Those of a job queue wait for leases of one second to
// run out, as a real database knows no other clock, and take a few seconds in all.
// Nothing is repeated to hide a race: if one is lost, the case fails.
package bulktest
