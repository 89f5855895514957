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

// A bucket is the capacity of a table, or of a partition: so many units come each
// second, and unused ones are kept up to a burst.
type bucket struct {
	rate, burst float64

	mu     sync.Mutex
	units  float64
	filled time.Time
}

func newBucket(rate, burst float64) *bucket {
	return &bucket{rate: rate, burst: burst, units: burst, filled: time.Now()}
}

// take takes units, or none if there are not enough.
func (b *bucket) take(units float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.units = min(b.burst, b.units+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.units < units {
		return false
	}
	b.units -= units
	return true
}

func (b *bucket) giveBack(units float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.units += units
}

// A capacity says what a table of a [service] takes.
type capacity struct {
	// writes are units a second; of reads it takes three times as many, as a new table
	// with on-demand capacity does.
	writes float64
	// burst is for how long unused units are kept. DynamoDB says up to 300 seconds, and
	// promises nothing.
	burst time.Duration
	// partitions share the units evenly, and have keys by chance; 0 is one.
	partitions int
}

// A service simulates DynamoDB with a users table "tbl" and a claims table "claims", as
// far as creates need it: calls take their time, and what its tables cannot take is
// throttled. A statement takes a unit for each kilobyte, a transaction two; of one that
// is cancelled for some of its actions the others have taken one.
type service struct {
	Client
	latency time.Duration // of a call, on average
	steal   float64       // the share of calls for which nothing is left by others

	mu               sync.Mutex
	items            map[string]map[string]item // by table and key
	writes, reads    map[string][]*bucket       // of the partitions of a table
	calls, throttled int                        // of writes
}

func newService(c capacity) *service {
	s := &service{latency: 10 * time.Millisecond, items: map[string]map[string]item{"tbl": {}, "claims": {}}}
	s.provide(c)
	return s
}

// provide gives the tables another capacity.
func (s *service) provide(c capacity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes, s.reads = make(map[string][]*bucket), make(map[string][]*bucket)
	n := max(1, c.partitions)
	rate := c.writes / float64(n)
	for table := range s.items {
		for range n {
			s.writes[table] = append(s.writes[table], newBucket(rate, rate*c.burst.Seconds()))
			s.reads[table] = append(s.reads[table], newBucket(3*rate, 3*rate*c.burst.Seconds()))
		}
	}
}

// written is how many items there are.
func (s *service) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items["tbl"])
}

var hashSeed = maphash.MakeSeed()

func partition(buckets []*bucket, key string) *bucket {
	return buckets[maphash.String(hashSeed, key)%uint64(len(buckets))]
}

// call makes a call take its time, on the way there and back.
func (s *service) call(ctx context.Context, do func()) error {
	if err := s.travel(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	do()
	s.mu.Unlock()
	return s.travel(ctx)
}

func (s *service) travel(ctx context.Context) error {
	select {
	case <-time.After(s.latency/4 + rand.N(s.latency/2)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	})
	return out, err
}

func (s *service) BatchExecuteStatement(ctx context.Context, in *dynamodb.BatchExecuteStatementInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchExecuteStatementOutput, error) {
	out := &dynamodb.BatchExecuteStatementOutput{Responses: make([]types.BatchStatementResponse, len(in.Statements))}
	err := s.call(ctx, func() {
		stolen, throttled := rand.Float64() < s.steal, false
		for i, statement := range in.Statements {
			table := inserting.FindStringSubmatch(*statement.Statement)[1]
			it := make(item)
			for i, name := range member.FindAllStringSubmatch(*statement.Statement, -1) {
				it[name[1]] = statement.Parameters[i]
			}
			key := textOf(it["pk"])
			switch {
			case stolen || !partition(s.writes[table], key).take(unitsOf(it)):
				throttled = true
				out.Responses[i].Error = &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumThrottlingError}
			case s.items[table][key] != nil:
				out.Responses[i].Error = &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumDuplicateItem}
			default:
				s.items[table][key] = it
			}
		}
		s.count(throttled)
	})
	return out, err
}

func (s *service) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	var cancelled error
	err := s.call(ctx, func() {
		stolen, throttled := rand.Float64() < s.steal, false
		reasons := make([]types.CancellationReason, len(in.TransactItems))
		for i, action := range in.TransactItems {
			table, it := *action.Put.TableName, action.Put.Item
			key, code := textOf(it["pk"]), "None"
			switch {
			case stolen || !partition(s.writes[table], key).take(2*unitsOf(it)):
				code, throttled = "ThrottlingError", true
			case s.items[table][key] != nil:
				code = "ConditionalCheckFailed"
			}
			if reasons[i].Code = &code; code != "None" {
				cancelled = &types.TransactionCanceledException{CancellationReasons: reasons}
			}
		}
		for i, action := range in.TransactItems {
			table, it := *action.Put.TableName, action.Put.Item
			if key := textOf(it["pk"]); cancelled == nil {
				s.items[table][key] = it
			} else if *reasons[i].Code == "None" {
				partition(s.writes[table], key).giveBack(unitsOf(it))
			}
		}
		s.count(throttled)
	})
	if err == nil {
		err = cancelled
	}
	return &dynamodb.TransactWriteItemsOutput{}, err
}

func (s *service) count(throttled bool) {
	s.calls++
	if throttled {
		s.throttled++
	}
}

// unitsOf is what a write of the item takes.
func unitsOf(it item) float64 {
	size := 0
	for name, value := range it {
		size += len(name) + sizeOf(value)
	}
	return float64((size + 1023) / 1024)
}

// sizeOf is the size of what creates of these tests have.
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
		return 21 // a number at most
	}
}
