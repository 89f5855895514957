package main

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// units are what DynamoDB charges for.
type units struct{ reads, writes float64 }

func (u *units) add(v units) {
	u.reads += v.reads
	u.writes += v.writes
}

// A count is what calls cost.
type count struct {
	requests   int   // of DynamoDB
	units            // by AWS's rules, from what the calls say
	reported   units // what the server says it charged; zero if it does not
	puts, gets int   // of S3, by the two classes of its price list
}

// A meter counts the calls of the clients that are made of its configuration.
type meter struct {
	mu  sync.Mutex
	now count
}

// on returns a configuration whose clients' calls are counted. They ask DynamoDB to
// report the capacity that it charged.
func (m *meter) on(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Meter", m.handle), middleware.Before)
	})
	return cfg
}

// take returns what was counted since the last take.
func (m *meter) take() count {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.now
	m.now = count{}
	return taken
}

func (m *meter) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	asked := ask(in.Parameters)
	out, metadata, err := next.HandleInitialize(ctx, in)
	var c count
	switch {
	case awsmiddleware.GetServiceID(ctx) == s3ID:
		c.puts, c.gets = classOf(awsmiddleware.GetOperationName(ctx))
	case asked != nil:
		c.requests, c.units = 1, *asked
		for _, consumed := range consumedBy(out.Result) {
			c.reported.add(consumed)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.requests += c.requests
	m.now.add(c.units)
	m.now.reported.add(c.reported)
	m.now.puts += c.puts
	m.now.gets += c.gets
	return out, metadata, err
}

const s3ID = "S3"

// classOf returns the price class of an operation of S3. Deletes cost nothing.
func classOf(operation string) (puts, gets int) {
	switch {
	case strings.HasPrefix(operation, "Delete") || strings.HasPrefix(operation, "Abort"):
		return 0, 0
	case strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "Head"):
		return 0, 1
	default: // puts, parts of uploads, lists
		return 1, 0
	}
}

// ask makes a call report what it is charged, and returns the units of the call by
// AWS's rules for items below a kilobyte: one for each item that is written, one for
// each that is read strongly consistent and half of it for others, whether it exists
// or not, and twice that in a transaction. It returns nil for calls that handle no
// items.
func ask(parameters any) *units {
	const indexes = types.ReturnConsumedCapacityIndexes // and tables
	switch in := parameters.(type) {
	case *dynamodb.BatchGetItemInput:
		in.ReturnConsumedCapacity = indexes
		u := new(units)
		for _, table := range in.RequestItems {
			u.reads += float64(len(table.Keys)) * readUnit(table.ConsistentRead)
		}
		return u
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = indexes
		return &units{reads: readUnit(in.ConsistentRead)}
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = indexes
		return &units{reads: readUnit(in.ConsistentRead)} // at least
	case *dynamodb.BatchExecuteStatementInput:
		in.ReturnConsumedCapacity = indexes
		return &units{writes: float64(countWrites(in.Statements))}
	case *dynamodb.TransactWriteItemsInput:
		in.ReturnConsumedCapacity = indexes
		return &units{writes: 2 * float64(len(in.TransactItems))}
	case *dynamodb.BatchWriteItemInput:
		in.ReturnConsumedCapacity = indexes
		u := new(units)
		for _, requests := range in.RequestItems {
			u.writes += float64(len(requests))
		}
		return u
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = indexes
		return &units{writes: 1}
	case *dynamodb.UpdateItemInput:
		in.ReturnConsumedCapacity = indexes
		return &units{writes: 1}
	case *dynamodb.DeleteItemInput:
		in.ReturnConsumedCapacity = indexes
		return &units{writes: 1}
	}
	return nil
}

func readUnit(consistent *bool) float64 {
	if aws.ToBool(consistent) {
		return 1
	}
	return 0.5
}

var writing = regexp.MustCompile(`^(INSERT|UPDATE|DELETE) `)

func countWrites(statements []types.BatchStatementRequest) int {
	n := 0
	for _, s := range statements {
		if writing.MatchString(aws.ToString(s.Statement)) {
			n++
		}
	}
	return n
}

// consumedBy returns what an answer says it was charged, for each table.
func consumedBy(result any) []units {
	var of []types.ConsumedCapacity
	one := func(c *types.ConsumedCapacity) {
		if c != nil {
			of = append(of, *c)
		}
	}
	reads := false
	switch out := result.(type) {
	case *dynamodb.BatchGetItemOutput:
		of, reads = out.ConsumedCapacity, true
	case *dynamodb.GetItemOutput:
		one(out.ConsumedCapacity)
		reads = true
	case *dynamodb.QueryOutput:
		one(out.ConsumedCapacity)
		reads = true
	case *dynamodb.BatchExecuteStatementOutput:
		of = out.ConsumedCapacity
	case *dynamodb.TransactWriteItemsOutput:
		of = out.ConsumedCapacity
	case *dynamodb.BatchWriteItemOutput:
		of = out.ConsumedCapacity
	case *dynamodb.PutItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		one(out.ConsumedCapacity)
	case *dynamodb.DeleteItemOutput:
		one(out.ConsumedCapacity)
	}
	consumed := make([]units, len(of))
	for i, c := range of {
		if n := aws.ToFloat64(c.CapacityUnits); reads {
			consumed[i].reads = n
		} else {
			consumed[i].writes = n
		}
	}
	return consumed
}
