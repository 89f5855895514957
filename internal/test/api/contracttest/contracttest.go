// Package contracttest proves that the HTTP API keeps its contract, row by row of
// its tables, over any backends.
//
// [Run] is a black box test: it sends requests to a real socket and looks at the
// answers, and at the users that [bulk.Store] then holds. A set of backends needs
// one test:
//
//	func TestContract(t *testing.T) {
//		contracttest.Run(t, func(t *testing.T) contracttest.Backends { return open(t) })
//	}
//
// # Databases that are shared
//
// Every case has a tenant of its own with a random name, and starts from users
// that it sends itself. So open, which is called once a topic, may return fresh
// backends, or the same real database each time. Jobs are claimed by id. Cases do
// not expect a database to be empty, and leave users, jobs and blobs behind. No
// worker may run on the queue meanwhile: it would take the jobs that are to stay
// pending.
//
// # Failures
//
// A case is named after the rule it checks. One that fails prints the requests and
// the answers that it is about.
package contracttest

import (
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// Backends are what the API is tested over.
type Backends struct {
	Store bulk.Store
	Blobs bulk.BlobStore
	Jobs  bulk.JobQueue
}

// topics are the parts of the contract.
var topics = []struct {
	name string
	run  func(*suite)
}{
	{"Options", testOptions},
	{"Duplicates", testDuplicates},
	{"RowRules", testRowRules},
	{"Numbers", testNumbers},
	{"ItemLimit", testItemLimit},
	{"Merge", testMerge},
	{"MergeModes", testMergeModes},
	{"UpdateOnly", testUpdateOnly},
	{"Conflicts", testConflicts},
	{"Label", testLabel},
	{"MaxFailed", testMaxFailed},
	{"Wait", testWait},
	{"Delete", testDelete},
	{"Retry", testRetry},
	{"Identity", testIdentity},
	{"Concurrency", testConcurrency},
	{"Limits", testLimits},
	{"Bodies", testBodies},
	{"Media", testMedia},
	{"CSV", testCSV},
	{"Paths", testPaths},
	{"Callers", testCallers},
	{"Tenants", testTenants},
	{"Jobs", testJobs},
	{"List", testList},
	{"Results", testResults},
	{"Downloads", testDownloads},
	{"Cancel", testCancel},
	{"WelcomeEmails", testWelcomeEmails},
	{"Faults", testFaults},
	{"Idempotency", testIdempotency},
	{"Crash", testCrash},
}

// Run tests the contract over the backends that open returns.
func Run(t *testing.T, open func(t *testing.T) Backends) {
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			topic.run(&suite{T: t, backends: open(t)})
		})
	}
}

// A suite is the cases of a topic.
type suite struct {
	*testing.T
	backends Backends
}

// run runs a case in a world of its own.
func (s *suite) run(name string, test func(*world), changes ...change) {
	s.Helper()
	s.T.Run(name, func(t *testing.T) {
		t.Parallel()
		test(newWorld(t, s.backends, changes...))
	})
}
