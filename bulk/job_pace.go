package bulk

import (
	"math"
	"time"
)

// A pace is how many rows of a job had durable results at a time. A checkpoint has
// those of the last minute or so, of the claim that wrote it.
type pace struct {
	At   int64 `json:"at"` // Unix milliseconds
	Rows int   `json:"rows"`
}

const (
	// paceWindow is how far back the rate of a job looks.
	paceWindow = time.Minute
	// paceStep is how far apart the paces are that are kept, the last one aside.
	paceStep = 5 * time.Second
)

// appendPace returns paces with one more, and without those that are too old or too
// close together. The last one before it is kept however old it is.
func appendPace(paces []pace, now time.Time, rows int) []pace {
	at := now.UnixMilli()
	if n := len(paces); n > 1 && paces[n-1].At-paces[n-2].At < paceStep.Milliseconds() {
		paces = paces[:n-1]
	}
	for len(paces) > 1 && paces[0].At < at-paceWindow.Milliseconds() {
		paces = paces[1:]
	}
	return append(paces[:len(paces):len(paces)], pace{at, rows})
}

// Rate returns how many rows a second a running job did by its last checkpoints,
// about a minute at most. If there was none for longer than that, the silence counts
// too. It reports false for a job that does not run, or has not come far enough to
// tell.
func (j Job) Rate(now time.Time) (rowsPerSecond float64, ok bool) {
	var at checkpoint
	if j.Status != JobProcessing || at.parse(j.Progress.Checkpoint) != nil || len(at.Paces) < 2 {
		return 0, false
	}
	first, last := at.Paces[0], at.Paces[len(at.Paces)-1]
	until := max(last.At, now.Add(-paceWindow).UnixMilli())
	if until <= first.At {
		return 0, false
	}
	return float64(last.Rows-first.Rows) * 1000 / float64(until-first.At), true
}

// TimeLeft returns how long a running job will take for the rows that are left if it
// goes on at its rate. It reports false where that is not known, and once all rows
// are done, since what remains then are welcome emails and the results file.
func (j Job) TimeLeft(now time.Time) (left time.Duration, ok bool) {
	rate, ok := j.Rate(now)
	rows := j.TotalRecords - j.Progress.Rows
	if !ok || rate == 0 || rows == 0 {
		return 0, false
	}
	seconds := float64(rows) / rate
	if seconds > maxTimeLeft.Seconds() {
		return 0, false
	}
	return time.Duration(math.Ceil(seconds)) * time.Second, true
}

// maxTimeLeft is the most that anybody can have a use for.
const maxTimeLeft = 365 * 24 * time.Hour
