package bulk

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pacedJob is a running job of 10,000 rows with checkpoints of these rows, so long
// after its claim.
func pacedJob(t *testing.T, claimed time.Time, points map[time.Duration]int, order ...time.Duration) Job {
	t.Helper()
	paces := []pace{{At: claimed.UnixMilli()}}
	rows := 0
	for _, after := range order {
		rows = points[after]
		paces = appendPace(paces, claimed.Add(after), rows)
	}
	text, err := json.Marshal(checkpoint{Paces: paces})
	require.NoError(t, err)
	return Job{JobSpec: JobSpec{TotalRecords: 10_000}, Status: JobProcessing, Progress: Progress{Rows: rows, Checkpoint: string(text)}}
}

func TestRate(t *testing.T) {
	const s = time.Second
	claimed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name   string
		points map[time.Duration]int
		order  []time.Duration
		now    time.Duration
		rate   float64 // negative for none
		left   time.Duration
	}{
		{"NoCheckpoint", nil, nil, 10 * s, -1, -1},
		{"AtOnce", map[time.Duration]int{0: 500}, []time.Duration{0}, 0, -1, -1},
		{"First", map[time.Duration]int{2 * s: 500}, []time.Duration{2 * s}, 3 * s, 250, 38 * s},
		{"SeveralInASecond", map[time.Duration]int{s / 4: 500, s / 2: 1000, s: 2000}, []time.Duration{s / 4, s / 2, s}, s, 2000, 4 * s},
		{"LastMinuteAlone", map[time.Duration]int{10 * s: 5000, 70 * s: 5600}, []time.Duration{10 * s, 70 * s}, 71 * s, 10, 440 * s},
		{"SlowerThanAMinute", map[time.Duration]int{100 * s: 500, 300 * s: 900}, []time.Duration{100 * s, 300 * s}, 301 * s, 2, 4550 * s},
		{"SilenceCounts", map[time.Duration]int{10 * s: 1000}, []time.Duration{10 * s}, 160 * s, 10, 900 * s},
		{"AllRowsDone", map[time.Duration]int{10 * s: 10_000}, []time.Duration{10 * s}, 10 * s, 1000, -1},
		{"NothingDone", map[time.Duration]int{10 * s: 0}, []time.Duration{10 * s}, 10 * s, 0, -1},
	} {
		job := pacedJob(t, claimed, test.points, test.order...)
		now := claimed.Add(test.now)
		rate, ok := job.Rate(now)
		assert.Equal(t, test.rate >= 0, ok, test.name)
		if ok {
			assert.InDelta(t, test.rate, rate, 1e-9, test.name)
		}
		left, ok := job.TimeLeft(now)
		assert.Equal(t, test.left >= 0, ok, test.name)
		if ok {
			assert.Equal(t, test.left, left, test.name)
		}
		for _, status := range []JobStatus{JobPending, JobCompleted, JobFailed, JobCancelled} {
			job.Status = status
			_, ok := job.Rate(now)
			assert.False(t, ok, "%s: rule: a job that does not run has none", test.name)
		}
	}
}

// However many checkpoints there are in a minute, few paces are kept, and the rate is
// that of about a minute.
func TestPacesAreFew(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	paces := []pace{{At: start.UnixMilli()}}
	for i := range 10_000 {
		now := start.Add(time.Duration(i) * 50 * time.Millisecond)
		paces = appendPace(paces, now, i)
		require.LessOrEqual(t, len(paces), 15)
		span := time.Duration(paces[len(paces)-1].At-paces[0].At) * time.Millisecond
		require.LessOrEqual(t, span, paceWindow)
		if i > 2000 {
			require.Greater(t, span, paceWindow-2*paceStep)
		}
	}
}
