package bulk

// A reportSink collects the results of an import that is in memory as a whole.
// Every row has a place of its own, so no lock is needed.
type reportSink []RowResult

func (r reportSink) result(result RowResult) { r[result.Index] = result }

// need is never called: the rows of such an import wait for nothing.
func (r reportSink) need(int) {}

func (r reportSink) summary() Summary {
	var s Summary
	for i := range r {
		s.add(r[i].Status)
	}
	return s
}

// unanswered reports whether the store failed every row that reached it, and
// there was at least one.
func (r reportSink) unanswered() bool {
	failed := false
	for i := range r {
		if r[i].Status != StatusFailed {
			return false
		}
		for _, e := range r[i].Errors {
			switch e.Code {
			case CodeUserExists, CodeEmailTaken:
				return false
			case CodeStoreError:
				failed = failed || e.Retryable
				if !e.Retryable {
					return false
				}
			}
		}
	}
	return failed
}
