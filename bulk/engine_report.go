package bulk

import "context"

// A reportSink collects the results of an import that is in memory as a whole.
// Every row has a place of its own, so no lock is needed.
type reportSink []RowResult

func (r reportSink) result(result RowResult) { r[result.Index] = result }

// room never waits: such an import has no durability to wait for.
func (r reportSink) room(context.Context, int, <-chan struct{}) {}

func (r reportSink) summary() Summary {
	var s Summary
	for i := range r {
		s.add(r[i].Status)
	}
	return s
}
