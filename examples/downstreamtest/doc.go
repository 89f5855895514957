// Package downstreamtest is a small service that imports users with bulkops, as a
// host would write it, and its unit tests on the in-memory backends.
//
// [Directory] is the service: it takes over staff lists by a call of its own and
// serves the HTTP API to administrators with a session. The tests show how to
//
//   - make the backends in three lines, and fill and read the store,
//   - run a job to its end in a test, without a worker in the background,
//   - test the mounted API and who may use it, with net/http/httptest,
//   - test an outage, whose retries take no real time under testing/synctest.
package downstreamtest
