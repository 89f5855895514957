package dynamostore

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A bucket is capacity: so many units come a second, and up to burst are kept.
type bucket struct {
	rate, burst, units float64
	filled             time.Time
}

func newBucket(rate, burst float64) *bucket { return &bucket{rate, burst, burst, time.Now()} }

// take takes units, or none if there are not enough.
func (b *bucket) take(units float64) bool {
	now := time.Now()
	b.units = min(b.burst, b.units+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.units < units {
		return false
	}
	b.units -= units
	return true
}

// A capacity says what a table of a [service] takes.
type capacity struct {
	writes     float64       // units a second
	burst      time.Duration // for so long unused units are kept: DynamoDB says up to 300 seconds, and promises none
	partitions int           // among which units are divided as keys are; 0 is one
}

// A service simulates a DynamoDB with a users table "tbl" and a claims table "claims",
// as far as creates need it: calls take their time, and tables are throttled by
// buckets, three times as many reads as writes. A statement takes a unit for each
// kilobyte. A transaction takes two, of which it loses one, where there was one, if it
// is cancelled for another.
type service struct {
	Client
	latency time.Duration
	// steal is the share of calls that are throttled whatever there is.
	steal float64

	mu                sync.Mutex
	items             map[string]map[string]item // by table and key
	writes, reads     map[string][]*bucket       // of the partitions of a table
	calls, throttled  int                        // that write
	readsThrottled    int
	capacities        capacity
	unitsOf           map[string]float64 // that were taken for writes, by table
	statements, wrote int
}

func newService(c capacity) *service {
	s := &service{latency: 10 * time.Millisecond, items: make(map[string]map[string]item), unitsOf: make(map[string]float64)}
	for _, table := range []string{"tbl", "claims"} {
		s.items[table] = make(map[string]item)
	}
	s.provide(c)
	return s
}

// provide gives the tables another capacity. What was kept is lost.
func (s *service) provide(c capacity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes, s.reads = make(map[string][]*bucket), make(map[string][]*bucket)
	n := max(1, c.partitions)
	for table := range s.items {
		for range n {
			rate := c.writes / float64(n)
			s.writes[table] = append(s.writes[table], newBucket(rate, rate*c.burst.Seconds()))
			s.reads[table] = append(s.reads[table], newBucket(3*rate, 3*rate*c.burst.Seconds()))
		}
	}
}

var hashSeed = maphash.MakeSeed()

func partition(buckets []*bucket, key string) *bucket {
	return buckets[maphash.String(hashSeed, key)%uint64(len(buckets))]
}

// travel is about half of the time of a call.
func (s *service) travel(ctx context.Context) error {
	select {
	case <-time.After(s.latency/4 + rand.N(s.latency/2)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call lets time pass before and after what a call does.
func (s *service) call(ctx context.Context, do func()) error {
	if err := s.travel(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	do()
	s.mu.Unlock()
	return s.travel(ctx)
}

func (s *service) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out := &dynamodb.BatchGetItemOutput{
		Responses:       make(map[string][]map[string]types.AttributeValue),
		UnprocessedKeys: make(map[string]types.KeysAndAttributes),
	}
	err := s.call(ctx, func() {
		for table, asked := range in.RequestItems {
			left := asked
			left.Keys = nil
			for _, key := range asked.Keys {
				pk := textOf(key["pk"])
				if !partition(s.reads[table], pk).take(1) {
					left.Keys = append(left.Keys, key)
				} else if it := s.items[table][pk]; it != nil {
					out.Responses[table] = append(out.Responses[table], it)
				}
			}
			if left.Keys != nil {
				out.UnprocessedKeys[table] = left
			}
		}
		if len(out.UnprocessedKeys) > 0 {
			s.readsThrottled++
		}
	})
	return out, err
}

func (s *service) BatchExecuteStatement(ctx context.Context, in *dynamodb.BatchExecuteStatementInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchExecuteStatementOutput, error) {
	out := &dynamodb.BatchExecuteStatementOutput{Responses: make([]types.BatchStatementResponse, len(in.Statements))}
	err := s.call(ctx, func() {
		stolen, throttled := s.steals(), false
		for i, statement := range in.Statements {
			table := inserting.FindStringSubmatch(*statement.Statement)[1]
			it := make(item)
			for i, name := range member.FindAllStringSubmatch(*statement.Statement, -1) {
				it[name[1]] = statement.Parameters[i]
			}
			switch code := s.insert(table, it, 1, stolen); code {
			case "":
				s.put(table, it)
			default:
				throttled = throttled || code == "ThrottlingError"
				out.Responses[i].Error = &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnum(code)}
			}
		}
		s.count(throttled)
	})
	return out, err
}

func (s *service) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	var cancelled error
	err := s.call(ctx, func() {
		stolen, throttled := s.steals(), false
		reasons := make([]types.CancellationReason, len(in.TransactItems))
		for i, action := range in.TransactItems {
			code := s.insert(*action.Put.TableName, action.Put.Item, 2, stolen)
			throttled = throttled || code == "ThrottlingError"
			if reasons[i].Code = &code; code == "" {
				code = "None"
			} else {
				cancelled = &types.TransactionCanceledException{CancellationReasons: reasons}
			}
		}
		for _, action := range in.TransactItems {
			table, it := *action.Put.TableName, action.Put.Item
			if cancelled == nil {
				s.put(table, it)
			}
		}
		if cancelled != nil {
			s.giveBack(in.TransactItems, reasons)
		}
		s.count(throttled)
	})
	if err == nil {
		err = cancelled
	}
	return &dynamodb.TransactWriteItemsOutput{}, err
}

// giveBack returns the second unit of what was prepared and then cancelled.
func (s *service) giveBack(actions []types.TransactWriteItem, reasons []types.CancellationReason) {
	for i, action := range actions {
		if *reasons[i].Code == "None" {
			partition(s.writes[*action.Put.TableName], textOf(action.Put.Item["pk"])).units += unitsOf(action.Put.Item)
		}
	}
}

// steals reports whether somebody else has used up what a call would need.
func (s *service) steals() bool { return rand.Float64() < s.steal }

func (s *service) count(throttled bool) {
	s.calls++
	if throttled {
		s.throttled++
	}
}

// insert takes what the creation of an item costs and returns "", or why it cannot be.
func (s *service) insert(table string, it item, times float64, stolen bool) (code string) {
	pk := textOf(it["pk"])
	switch {
	case stolen || !partition(s.writes[table], pk).take(times*unitsOf(it)):
		return "ThrottlingError"
	case s.items[table][pk] != nil && times == 1:
		return "DuplicateItem"
	case s.items[table][pk] != nil:
		return "ConditionalCheckFailed"
	}
	return ""
}

func (s *service) put(table string, it item) { s.items[table][textOf(it["pk"])] = it }

// unitsOf is what a write of the item costs.
func unitsOf(it item) float64 {
	size := 0
	for name, value := range it {
		size += len(name) + sizeOf(value)
	}
	return float64((size + 1023) / 1024)
}

func sizeOf(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		size := 3
		for name, member := range v.Value {
			size += 1 + len(name) + sizeOf(member)
		}
		return size
	default:
		return 21
	}
}
