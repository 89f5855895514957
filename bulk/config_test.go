package bulk_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func memConfig() bulk.Config {
	return bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
}

func TestConfigNamesTheFieldAtFault(t *testing.T) {
	for field, breakIt := range map[string]func(*bulk.Config){
		"Config.Store":         func(c *bulk.Config) { c.Store = nil },
		"Config.Blobs":         func(c *bulk.Config) { c.Blobs = nil },
		"Config.Jobs":          func(c *bulk.Config) { c.Jobs = nil },
		"Config.MaxUsers":      func(c *bulk.Config) { c.MaxUsers = -1 },
		"Config.SyncThreshold": func(c *bulk.Config) { c.SyncThreshold = -1 },
		"Config.Retention":     func(c *bulk.Config) { c.Retention = time.Second - 1 },
		"Config.DownloadTTL":   func(c *bulk.Config) { c.DownloadTTL = -time.Hour },
		"Config.Parallel":      func(c *bulk.Config) { c.Parallel = 257 },
		"Config.SegmentRows":   func(c *bulk.Config) { c.SegmentRows = 10_001 },
		"Config.Lease":         func(c *bulk.Config) { c.Lease = time.Second - 1 },
		"Config.Poll":          func(c *bulk.Config) { c.Poll = time.Microsecond },
		"Config.MaxAttempts":   func(c *bulk.Config) { c.MaxAttempts = -5 },
		"Config.StopGrace":     func(c *bulk.Config) { c.StopGrace = -1 },
		"Config.CallTimeout":   func(c *bulk.Config) { c.CallTimeout = time.Millisecond - 1 },
	} {
		t.Run(field, func(t *testing.T) {
			cfg := memConfig()
			breakIt(&cfg)
			im, err := bulk.NewImporter(cfg)
			assert.Nil(t, im)
			var bad *bulk.ConfigError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, field, bad.Field)
			assert.NotEmpty(t, bad.Problem)
			w, err := bulk.NewWorker(cfg)
			assert.Nil(t, w)
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, field, bad.Field)
		})
	}
}

func TestConfigProblemsSayWhatIsAllowed(t *testing.T) {
	for _, test := range []struct {
		want string
		set  func(*bulk.Config)
	}{
		{"bulk: Config.Store is required", func(c *bulk.Config) { c.Store = nil }},
		{"bulk: Config.Parallel is 300; it must be at most 256", func(c *bulk.Config) { c.Parallel = 300 }},
		{"bulk: Config.Lease is 500ms; it must be at least 1s", func(c *bulk.Config) { c.Lease = 500 * time.Millisecond }},
		{"bulk: Config.MaxUsers is -3; it must be at least 1", func(c *bulk.Config) { c.MaxUsers, c.Parallel = -3, 300 }},
		{"bulk: Config.SyncThreshold is 12; with MaxUsers 10 it can be at most 11",
			func(c *bulk.Config) { c.MaxUsers, c.SyncThreshold = 10, 12 }},
	} {
		cfg := memConfig()
		test.set(&cfg)
		_, err := bulk.NewImporter(cfg)
		assert.EqualError(t, err, test.want)
	}
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := bulk.CompleteConfig(memConfig())
	require.NoError(t, err)
	assert.Equal(t, 10_000, cfg.MaxUsers)
	assert.Equal(t, 100, cfg.SyncThreshold)
	assert.Equal(t, 30*24*time.Hour, cfg.Retention)
	assert.Equal(t, time.Hour, cfg.DownloadTTL)
	assert.Equal(t, 8, cfg.Parallel)
	assert.Equal(t, 500, cfg.SegmentRows)
	assert.Equal(t, time.Minute, cfg.Lease)
	assert.Equal(t, time.Second, cfg.Poll)
	assert.Equal(t, 5, cfg.MaxAttempts)
	assert.Equal(t, 10*time.Second, cfg.StopGrace)
	assert.Equal(t, 30*time.Second, cfg.CallTimeout)
	assert.Same(t, slog.Default(), cfg.Logger)
	assert.NotEmpty(t, cfg.WorkerName)
	assert.Nil(t, cfg.Mailer)
}

func TestConfigBounds(t *testing.T) {
	for name, set := range map[string]func(*bulk.Config){
		"Least": func(c *bulk.Config) {
			c.MaxUsers, c.SyncThreshold, c.Retention, c.DownloadTTL = 1, 1, time.Second, time.Second
			c.Parallel, c.SegmentRows, c.Lease, c.Poll, c.MaxAttempts, c.StopGrace = 1, 1, time.Second, time.Millisecond, 1, time.Millisecond
			c.CallTimeout = time.Millisecond
		},
		"Most": func(c *bulk.Config) {
			c.MaxUsers, c.SyncThreshold, c.Retention, c.DownloadTTL = 1_000_000, 1_000_001, 1000*time.Hour, 7*24*time.Hour
			c.Parallel, c.SegmentRows, c.Lease, c.Poll, c.MaxAttempts, c.StopGrace = 256, 10_000, time.Hour, time.Hour, 1000, time.Hour
			c.CallTimeout = time.Hour
		},
	} {
		cfg := memConfig()
		set(&cfg)
		cfg.WorkerName, cfg.IdempotencyKeys = "w-1", memjobs.New()
		got, err := bulk.CompleteConfig(cfg)
		require.NoError(t, err, name)
		got.Logger = nil
		assert.Equal(t, cfg, got, "%s: what is set stays", name)
	}
}

func TestSyncThresholdDefaultsWithinFewUsers(t *testing.T) {
	cfg := memConfig()
	cfg.MaxUsers = 20
	cfg, err := bulk.CompleteConfig(cfg)
	require.NoError(t, err)
	assert.Equal(t, 21, cfg.SyncThreshold, "no request becomes a job")
}
