package awstest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Kind is a fault that AWS makes and the servers for tests do not.
type Kind string

// The kinds. Except for [LostAnswer] and [SlowAnswer], what a fault is said to
// have refused has not reached the server. The kinds of DynamoDB that forward a
// part of a call change its body, so they are for servers that do not verify
// signatures, as those of [EachDynamoDB].
const (
	// Throttle refuses the call. DynamoDB: HTTP 400 with
	// ProvisionedThroughputExceededException or ThrottlingException; a
	// transaction may also be cancelled, with the throttle as the reason of one of
	// its actions. S3: HTTP 503 with SlowDown. SQS: HTTP 400 with RequestThrottled.
	Throttle Kind = "Throttle"

	// ServerError refuses the call with HTTP 500: InternalServerError of DynamoDB,
	// InternalError of S3, InternalFailure of SQS.
	ServerError Kind = "ServerError"

	// UnprocessedItems leaves at least one, and not all, of the writes of a
	// BatchWriteItem undone and returns them as UnprocessedItems. A call with a
	// single write is refused as by Throttle, which is what DynamoDB does when it
	// can process none.
	UnprocessedItems Kind = "UnprocessedItems"

	// UnprocessedKeys is the same for the keys of a BatchGetItem.
	UnprocessedKeys Kind = "UnprocessedKeys"

	// StatementThrottle leaves at least one of the statements of a
	// BatchExecuteStatement undone. The answer is HTTP 200; the statement's own
	// error is ProvisionedThroughputExceeded or ThrottlingError.
	StatementThrottle Kind = "StatementThrottle"

	// TransactionConflict tells of another transaction on the same item. It
	// cancels a whole TransactWriteItems or ExecuteTransaction for the sake of one
	// action, fails one or more statements of a BatchExecuteStatement, and refuses
	// a PutItem, UpdateItem or DeleteItem.
	TransactionConflict Kind = "TransactionConflict"

	// LostAnswer breaks the connection after the server has done the call.
	LostAnswer Kind = "LostAnswer"

	// SlowAnswer returns the server's answer after [Rule.Delay], or the context's
	// error if that ends before.
	SlowAnswer Kind = "SlowAnswer"
)

// A Rule says which calls a fault happens to.
type Rule struct {
	Kind Kind

	// Operations are the calls that the fault can happen to: operations of DynamoDB
	// ("BatchGetItem") and SQS ("SendMessage"), and of S3 ("PutObject", "CompleteMultipartUpload") or HTTP
	// methods there ("PUT"). Empty means every call that Kind can happen to.
	Operations []string

	// Probability is the share of these calls, from 0 to 1. Zero means all.
	Probability float64

	// MaxConsecutive lets a call of an operation go unharmed by this rule after so
	// many in a row were not. Zero means no such limit.
	MaxConsecutive int

	// Times bounds how often the fault happens. Zero means no bound.
	Times int

	// Delay is the least time that a [SlowAnswer] takes, and needed for it.
	Delay time.Duration
}

// Faults is an [http.RoundTripper] that puts faults between a client and a
// server. For each call the first of its rules that hits decides; to have two
// faults at once, put one Faults in front of another.
//
// What happens to a call depends only on the seed, the rules, the operation and
// how many calls of that operation came before, and not on time or other
// operations: the same sequence of calls meets the same faults.
type Faults struct {
	next  http.RoundTripper
	seed  uint64
	rules []Rule

	mu       sync.Mutex
	calls    map[string]int
	injected map[string]map[Kind]int
	states   []ruleState // of the rules, by index
}

// ruleState is what the limits of a rule need to know.
type ruleState struct {
	times       int
	consecutive map[string]int // by operation
}

// NewFaults returns Faults in front of next. A rule that could never do anything
// fails the test. A test that fails for any reason logs the seed and the counts.
func NewFaults(tb testing.TB, next http.RoundTripper, seed uint64, rules ...Rule) *Faults {
	tb.Helper()
	f := &Faults{
		next:     next,
		seed:     seed,
		rules:    slices.Clone(rules),
		calls:    make(map[string]int),
		injected: make(map[string]map[Kind]int),
		states:   make([]ruleState, len(rules)),
	}
	for i, rule := range rules {
		if err := rule.validate(); err != nil {
			tb.Fatalf("rule %d: %v", i, err)
		}
		f.states[i].consecutive = make(map[string]int)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(f)
		}
	})
	return f
}

func (r Rule) validate() error {
	operations, known := kindOperations[r.Kind]
	switch {
	case !known:
		return fmt.Errorf("unknown kind %q", r.Kind)
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("%s: probability %v is not within 0 and 1", r.Kind, r.Probability)
	case (r.Kind == SlowAnswer) != (r.Delay > 0):
		return errors.New("SlowAnswer needs a delay, and no other kind has one")
	}
	for _, operation := range r.Operations {
		if operations != nil && !slices.Contains(operations, operation) {
			return fmt.Errorf("%s cannot happen to %s, only to %s", r.Kind, operation, strings.Join(operations, ", "))
		}
	}
	return nil
}

// kindOperations are the operations that a kind can happen to; nil is all.
var kindOperations = map[Kind][]string{
	Throttle:            nil,
	ServerError:         nil,
	UnprocessedItems:    {"BatchWriteItem"},
	UnprocessedKeys:     {"BatchGetItem"},
	StatementThrottle:   {"BatchExecuteStatement"},
	TransactionConflict: {"TransactWriteItems", "ExecuteTransaction", "BatchExecuteStatement", "PutItem", "UpdateItem", "DeleteItem"},
	LostAnswer:          nil,
	SlowAnswer:          nil,
}

// RoundTrip implements [http.RoundTripper].
func (f *Faults) RoundTrip(request *http.Request) (*http.Response, error) {
	c := &call{request: request, next: f.next}
	operation, service := jsonOperation(request)
	if c.service = service; service == s3Service {
		operation = s3Operation(request)
	}
	rule, random := f.choose(operation, request.Method)
	c.operation, c.random = operation, random
	if rule == nil {
		return f.next.RoundTrip(request)
	}
	return c.inject(*rule)
}

// choose counts a call and returns the rule that hits it, or nil, and the source
// of what else is left to chance in the call.
func (f *Faults) choose(operation, method string) (*Rule, *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s %d", operation, f.calls[operation])
	random := rand.New(rand.NewPCG(f.seed, hash.Sum64()))
	f.calls[operation]++

	var hit *Rule
	for i := range f.rules {
		rule, state := &f.rules[i], &f.states[i]
		if !rule.covers(operation, method) {
			continue
		}
		happens := rule.Probability == 0 || random.Float64() < rule.Probability
		switch {
		case hit != nil, !happens,
			rule.Times > 0 && state.times == rule.Times,
			rule.MaxConsecutive > 0 && state.consecutive[operation] == rule.MaxConsecutive:
			state.consecutive[operation] = 0
		default:
			hit = rule
			state.times++
			state.consecutive[operation]++
		}
	}
	if hit != nil {
		if f.injected[operation] == nil {
			f.injected[operation] = make(map[Kind]int)
		}
		f.injected[operation][hit.Kind]++
	}
	return hit, random
}

func (r *Rule) covers(operation, method string) bool {
	if len(r.Operations) == 0 {
		all := kindOperations[r.Kind]
		return all == nil || slices.Contains(all, operation)
	}
	return slices.Contains(r.Operations, operation) || slices.Contains(r.Operations, method)
}

// Calls returns how many calls of the operations were made, of all if none is
// named. A call that the SDK makes again is another call.
func (f *Faults) Calls(operations ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for operation, n := range f.calls {
		if len(operations) == 0 || slices.Contains(operations, operation) {
			total += n
		}
	}
	return total
}

// Injected returns how many calls of the operations, of all if none is named, met
// a fault of the kind. A test asserts with it that the faults it is about did
// happen.
func (f *Faults) Injected(kind Kind, operations ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for operation, kinds := range f.injected {
		if len(operations) == 0 || slices.Contains(operations, operation) {
			total += kinds[kind]
		}
	}
	return total
}

// String is the seed and the counts of each operation, such as
// "faults with seed 7: BatchGetItem 12 calls (3 Throttle, 1 UnprocessedKeys)".
func (f *Faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var operations []string
	for _, operation := range slices.Sorted(maps.Keys(f.calls)) {
		text := fmt.Sprintf("%s %d calls", operation, f.calls[operation])
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(f.injected[operation])) {
			kinds = append(kinds, fmt.Sprintf("%d %s", f.injected[operation][kind], kind))
		}
		if len(kinds) > 0 {
			text += " (" + strings.Join(kinds, ", ") + ")"
		}
		operations = append(operations, text)
	}
	return fmt.Sprintf("faults with seed %d: %s", f.seed, strings.Join(operations, ", "))
}
