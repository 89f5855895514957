package awse2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/race"
)

// A disturbance is what goes wrong on the way to the servers and back, for a job of
// so many rows. Throttles that do not become fewer when the store slows down, as
// these, make it go as slowly as it ever does.
type disturbance struct {
	name         string
	rows         int
	seed         uint64
	dynamoDB, s3 []awstest.Rule
}

var disturbances = []disturbance{
	{"Throttle", 60, 1, []awstest.Rule{{Kind: awstest.Throttle, Probability: 0.35}}, []awstest.Rule{{Kind: awstest.Throttle, Probability: 0.35}}},
	{"ThrottledHalf", 60, 2, []awstest.Rule{{Kind: awstest.Throttle, Probability: 0.5, Operations: []string{
		"BatchGetItem", "BatchExecuteStatement", "TransactWriteItems",
	}}}, nil},
	{"Unprocessed", 60, 3, []awstest.Rule{{Kind: awstest.UnprocessedKeys, Probability: 0.5}}, nil},
	{"StatementThrottle", 80, 4, []awstest.Rule{{Kind: awstest.StatementThrottle, Probability: 0.5}}, nil},
	{"TransactionConflict", 120, 5, []awstest.Rule{{Kind: awstest.TransactionConflict, Probability: 0.3}}, nil},
	{"LostAnswer", 80, 6, []awstest.Rule{{Kind: awstest.LostAnswer, Probability: 0.25}}, []awstest.Rule{{Kind: awstest.LostAnswer, Probability: 0.25}}},
	{"SlowAnswer", 80, 7, []awstest.Rule{{Kind: awstest.SlowAnswer, Probability: 0.3, Delay: 50 * time.Millisecond}},
		[]awstest.Rule{{Kind: awstest.SlowAnswer, Probability: 0.3, Delay: 50 * time.Millisecond}}},
	{"ServerError", 80, 6, []awstest.Rule{{Kind: awstest.ServerError, Probability: 0.25}}, []awstest.Rule{{Kind: awstest.ServerError, Probability: 0.25}}},
	{"Mix", 80, 3, []awstest.Rule{
		{Kind: awstest.LostAnswer, Probability: 0.06},
		{Kind: awstest.ServerError, Probability: 0.06},
		{Kind: awstest.TransactionConflict, Probability: 0.06},
		{Kind: awstest.StatementThrottle, Probability: 0.5},
		{Kind: awstest.UnprocessedKeys, Probability: 0.15},
		{Kind: awstest.Throttle, Probability: 0.1},
		{Kind: awstest.SlowAnswer, Probability: 0.2, Delay: 20 * time.Millisecond},
	}, []awstest.Rule{
		{Kind: awstest.LostAnswer, Probability: 0.25},
		{Kind: awstest.ServerError, Probability: 0.25},
		{Kind: awstest.Throttle, Probability: 0.25},
		{Kind: awstest.SlowAnswer, Probability: 0.2, Delay: 20 * time.Millisecond},
	}},
}

// happensTo are the modes whose calls can meet a fault of that kind.
func happensTo(kind awstest.Kind) []mode {
	if kind == awstest.TransactionConflict {
		return []mode{guarded}
	}
	return both
}

// TestFaultsChangeNothing: an import comes to the same users and results, byte for
// byte, whatever goes wrong on the way. The request is made under the faults too.
func TestFaultsChangeNothing(t *testing.T) {
	t.Parallel()
	for _, d := range disturbances {
		modes := both
		if len(d.dynamoDB) == 1 {
			modes = happensTo(d.dynamoDB[0].Kind)
		}
		t.Run(d.name, func(t *testing.T) {
			eachCloud(t, modes, func(t *testing.T, c *cloud) {
				rows := d.rows
				if testing.Short() || race.Enabled {
					rows = min(rows, 60)
				}
				collision := newCollision(t, d.seed, rows)
				cfg := c.open()
				collision.seed(t, cfg.Store)

				dynamoDB := awstest.NewFaults(t, awstest.Transport(t), d.seed, d.dynamoDB...)
				s3 := awstest.NewFaults(t, awstest.Transport(t), d.seed, d.s3...)
				disturbed := tuned(c.openThrough(dynamoDB, s3))
				job := submit(t, disturbed, collision.rows, bulk.DefaultOptions())
				job = run(t, disturbed, job.ID)
				for _, rule := range d.dynamoDB {
					if slices.Contains(happensTo(rule.Kind), c.mode) && dynamoDB.Injected(rule.Kind) == 0 {
						t.Errorf("no %s has happened", rule.Kind)
					}
				}
				for _, rule := range d.s3 {
					if s3.Injected(rule.Kind) == 0 {
						t.Errorf("no %s has happened", rule.Kind)
					}
				}
				collision.check(t, c, cfg, job)
			})
		})
	}
}

// TestCollision is the same without faults.
func TestCollision(t *testing.T) {
	eachCloud(t, both, func(t *testing.T, c *cloud) {
		cfg := tuned(c.open())
		collision := newCollision(t, 100, 300)
		collision.seed(t, cfg.Store)
		collision.check(t, c, cfg, run(t, cfg, submit(t, cfg, collision.rows, bulk.DefaultOptions()).ID))
	})
}
