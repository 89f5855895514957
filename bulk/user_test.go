package bulk_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

func TestUserSizeIsNotLessThanDynamoDBCounts(t *testing.T) {
	for _, test := range []struct {
		user  bulk.User
		least int
	}{
		{bulk.User{}, 0},
		{bulk.User{ID: "éé"}, 4},
		{bulk.User{ID: "u", Email: "a@b.c"}, 1 + 5}, // and once more as its key
		{bulk.User{CustomFields: parse(t, `{"name":"value"}`)}, 3 + 1 + 4 + 5},
		{bulk.User{Metadata: parse(t, `{"a":[1,2,{"b":null}]}`)}, 3 + 1 + 1 + 3 + 3 + 2 + 2 + 3 + 1 + 1 + 1},
		{bulk.User{CustomFields: parse(t, `{"s":"`+strings.Repeat("é", 1000)+`"}`)}, 3 + 1 + 1 + 2000},
	} {
		got := test.user.Size()
		assert.GreaterOrEqual(t, got, test.least, "%+v", test.user)
		assert.LessOrEqual(t, got, test.least+40, "%+v", test.user)
	}
}

func TestUsers(t *testing.T) {
	users := bulk.Users(
		bulk.User{ID: "u-1", Email: "ana@example.com"},
		bulk.User{ID: "u-2", CustomFields: parse(t, `{"n":9007199254740993}`), Metadata: parse(t, `{"gone":null}`)},
	)
	row, err := users.Next()
	require.NoError(t, err)
	assert.Equal(t, `{"userId":"u-1","email":"ana@example.com"}`, string(row.JSON))
	row, err = users.Next()
	require.NoError(t, err)
	assert.Equal(t, `{"userId":"u-2","customFields":{"n":9007199254740993},"metadata":{"gone":null}}`, string(row.JSON))
	for range 2 {
		_, err = users.Next()
		assert.Equal(t, io.EOF, err)
	}
}

func TestRoles(t *testing.T) {
	for role, ok := range map[bulk.Role]bool{
		bulk.RoleAdmin: true, bulk.RoleSuperAdmin: true, "user": false, "": false, "ADMIN": false, "admin ": false,
	} {
		err := bulk.Principal{ID: "p", Role: role}.Authorize()
		if ok {
			assert.NoError(t, err, role)
		} else {
			assert.ErrorIs(t, err, bulk.ErrForbidden, role)
		}
	}
}

func TestSummary(t *testing.T) {
	s := bulk.Summary{Created: 1, Updated: 2, Unchanged: 4, Skipped: 8, Failed: 16, NotProcessed: 32}
	assert.Equal(t, 31, s.Processed())
	assert.Equal(t, 63, s.Total())
}

func TestJobCounts(t *testing.T) {
	assert.Zero(t, bulk.Job{}.Percent())
	job := bulk.Job{JobSpec: bulk.JobSpec{TotalRecords: 3}, Progress: bulk.Progress{Summary: bulk.Summary{Created: 1, Failed: 1}}}
	assert.Equal(t, 66, job.Percent(), "rounded down")
	assert.Equal(t, bulk.Summary{Created: 1, Failed: 1, NotProcessed: 1}, job.Summary())
	job.Progress.Summary.Skipped = 1
	assert.Equal(t, 100, job.Percent())
}

func TestJobStatusEnded(t *testing.T) {
	for status, ended := range map[bulk.JobStatus]bool{
		bulk.JobPending: false, bulk.JobProcessing: false, "": false,
		bulk.JobCompleted: true, bulk.JobFailed: true, bulk.JobCancelled: true,
	} {
		assert.Equal(t, ended, status.Ended(), status)
	}
}

func TestJobIDsSortByTime(t *testing.T) {
	now := time.Now()
	const uuid = `^job_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	last := bulk.NewID("job_", now)
	assert.Regexp(t, uuid, last)
	for range 100 {
		now = now.Add(time.Millisecond)
		id := bulk.NewID("job_", now)
		assert.Regexp(t, uuid, id)
		assert.Greater(t, id, last)
		last = id
	}
	assert.NotEqual(t, bulk.NewID("", now), bulk.NewID("", now))
	at := time.UnixMilli(0x017f22e279b0) // the example of RFC 9562, A.6
	assert.Equal(t, "017f22e2-79b0-7", bulk.NewID("", at)[:15])
}

func TestGeneratedUserIDs(t *testing.T) {
	const uuid = `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	seen := map[string]bool{}
	for _, run := range []string{"job_a", "job_b", "job_a/1"} {
		for row := range 100 {
			id := bulk.GeneratedUserID(run, row)
			assert.Regexp(t, uuid, id)
			assert.Equal(t, id, bulk.GeneratedUserID(run, row), "the same row has the same id")
			assert.False(t, seen[id], "%s, row %d", run, row)
			seen[id] = true
		}
	}
}
