package awstest

import (
	"net/http"
	"testing"
)

// idleConnections is how many connections a [Transport] keeps open, enough for
// every test here: with the SDK's default of ten, bursts of parallel calls open
// connections all the time.
const idleConnections = 256

// Transport returns the way to a real server for one test: it reaches the server
// directly, whatever proxy the environment names, shares no connection with other
// tests, and closes its idle connections when the test ends.
func Transport(tb testing.TB) *http.Transport {
	transport := &http.Transport{MaxIdleConns: idleConnections, MaxIdleConnsPerHost: idleConnections}
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}
