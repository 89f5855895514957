package awstest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// A fixture is a table on a real server, seen with and without faults.
type fixture struct {
	table  string
	direct *dynamodb.Client // without faults
	faulty *dynamodb.Client
	faults *awstest.Faults
}

// eachServer runs test on each DynamoDB server, with a fresh table.
func eachServer(t *testing.T, rule awstest.Rule, test func(t *testing.T, f *fixture)) {
	t.Helper()
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		transport := awstest.Transport(t)
		f := &fixture{table: awstest.Name(t), direct: server.DynamoDB(transport)}
		f.faults = awstest.NewFaults(t, transport, 1, rule)
		f.faulty = server.DynamoDB(f.faults)
		_, err := f.direct.CreateTable(t.Context(), &dynamodb.CreateTableInput{
			TableName:            &f.table,
			BillingMode:          types.BillingModePayPerRequest,
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, err := f.direct.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &f.table})
			if err != nil {
				t.Error(err)
			}
		})
		test(t, f)
		if f.faults.Injected(rule.Kind) == 0 {
			t.Errorf("no fault happened: %v", f.faults)
		}
	})
}

type item = map[string]types.AttributeValue

func key(i int) item { return item{"id": &types.AttributeValueMemberS{Value: strconv.Itoa(i)}} }

// id is the inverse of key.
func id(t *testing.T, i item) int {
	t.Helper()
	n, err := strconv.Atoi(i["id"].(*types.AttributeValueMemberS).Value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// put stores the items from 0 to n without faults.
func (f *fixture) put(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := f.direct.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: key(i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// stored returns the ids of the items that have the attribute, in order.
func (f *fixture) stored(t *testing.T, attribute string) []int {
	t.Helper()
	out, err := f.direct.Scan(t.Context(), &dynamodb.ScanInput{TableName: &f.table, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	ids := []int{}
	for _, i := range out.Items {
		if i[attribute] != nil {
			ids = append(ids, id(t, i))
		}
	}
	slices.Sort(ids)
	return ids
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// wantUnion checks that done and left are not empty, disjoint, and 0 to n-1
// together.
func wantUnion(t *testing.T, done, left []int, n int) {
	t.Helper()
	both := slices.Sorted(slices.Values(slices.Concat(done, left)))
	if len(done) == 0 || len(left) == 0 || !slices.Equal(both, numbers(n)) {
		t.Errorf("done are %v and left undone %v, want a division of 0 to %d", done, left, n-1)
	}
}

// wantCode checks the code of an SDK's error.
func wantCode(t *testing.T, err error, codes ...string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || !slices.Contains(codes, api.ErrorCode()) {
		t.Errorf("the error is %v, want one of %v", err, codes)
	}
}

func TestThrottle(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.Throttle, Times: 16}, func(t *testing.T, f *fixture) {
		seen := map[string]bool{}
		put := func() error {
			_, err := f.faulty.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: key(0)})
			return err
		}
		for range 16 {
			err := put()
			wantCode(t, err, "ProvisionedThroughputExceededException", "ThrottlingException")
			var throughput *types.ProvisionedThroughputExceededException
			var throttling *types.ThrottlingException
			seen["throughput"] = seen["throughput"] || errors.As(err, &throughput)
			seen["throttling"] = seen["throttling"] || errors.As(err, &throttling)
		}
		if !seen["throughput"] || !seen["throttling"] {
			t.Errorf("of the two types of throttles, 16 calls saw %v", seen)
		}
		if ids := f.stored(t, "id"); len(ids) != 0 {
			t.Errorf("throttled calls stored %v", ids)
		}
		if err := put(); err != nil {
			t.Errorf("the call after the last fault failed: %v", err)
		}
	})
}

func TestThrottleIsRetriedByTheSDK(t *testing.T) {
	server := awstest.Dynoxide(t)
	faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: awstest.Throttle, Times: 1})
	client := dynamodb.NewFromConfig(server.Config(faults))
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
	if faults.Calls("ListTables") != 2 {
		t.Errorf("the SDK's own retryer does not take the fault for a throttle: %v", faults)
	}
}

func TestServerError(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.ServerError}, func(t *testing.T, f *fixture) {
		_, err := f.faulty.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: key(0)})
		var internal *types.InternalServerError
		if !errors.As(err, &internal) {
			t.Errorf("the error is %v, want an InternalServerError", err)
		}
		if ids := f.stored(t, "id"); len(ids) != 0 {
			t.Errorf("refused calls stored %v", ids)
		}
	})
}

func TestUnprocessedItems(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.UnprocessedItems}, func(t *testing.T, f *fixture) {
		const n = 25
		var writes []types.WriteRequest
		for i := range n {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key(i)}})
		}
		out, err := f.faulty.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{f.table: writes},
		})
		if err != nil {
			t.Fatal(err)
		}
		var left []int
		for _, write := range out.UnprocessedItems[f.table] {
			left = append(left, id(t, write.PutRequest.Item))
		}
		wantUnion(t, f.stored(t, "id"), left, n)

		_, err = f.faulty.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{f.table: writes[:1]},
		})
		wantCode(t, err, "ProvisionedThroughputExceededException", "ThrottlingException")
	})
}

func TestUnprocessedKeys(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.UnprocessedKeys}, func(t *testing.T, f *fixture) {
		const n = 20
		f.put(t, n)
		var keys []item
		for i := range n {
			keys = append(keys, key(i))
		}
		asked := types.KeysAndAttributes{
			Keys:                     keys,
			ConsistentRead:           aws.Bool(true),
			ProjectionExpression:     aws.String("#id"),
			ExpressionAttributeNames: map[string]string{"#id": "id"},
		}
		out, err := f.faulty.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{f.table: asked},
		})
		if err != nil {
			t.Fatal(err)
		}
		var found, left []int
		for _, i := range out.Responses[f.table] {
			found = append(found, id(t, i))
		}
		unprocessed := out.UnprocessedKeys[f.table]
		for _, k := range unprocessed.Keys {
			left = append(left, id(t, k))
		}
		wantUnion(t, found, left, n)
		if !aws.ToBool(unprocessed.ConsistentRead) || aws.ToString(unprocessed.ProjectionExpression) != "#id" {
			t.Errorf("the unprocessed keys lost what else was asked: %+v", unprocessed)
		}

		// What was not processed can be asked as it is, and comes to an end.
		rest, err := f.direct.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: out.UnprocessedKeys})
		if err != nil || len(rest.Responses[f.table]) != len(left) {
			t.Errorf("asking again for %d keys gave %v, %v", len(left), rest, err)
		}
	})
}

// update returns n PartiQL statements that set an attribute of the items 0 to n-1.
func (f *fixture) update(n int) []types.BatchStatementRequest {
	statements := make([]types.BatchStatementRequest, n)
	for i := range statements {
		statements[i].Statement = aws.String(fmt.Sprintf(`UPDATE "%s" SET "seen"=? WHERE "id"=?`, f.table))
		statements[i].Parameters = []types.AttributeValue{&types.AttributeValueMemberBOOL{Value: true}, key(i)["id"]}
	}
	return statements
}

func TestStatementFaults(t *testing.T) {
	for kind, codes := range map[awstest.Kind][]string{
		awstest.StatementThrottle:   {"ProvisionedThroughputExceeded", "ThrottlingError"},
		awstest.TransactionConflict: {"TransactionConflict"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			eachServer(t, awstest.Rule{Kind: kind}, func(t *testing.T, f *fixture) {
				const n = 8
				f.put(t, n)
				statements := f.update(n + 1) // the last is of an item that is missing
				out, err := f.faulty.BatchExecuteStatement(t.Context(), &dynamodb.BatchExecuteStatementInput{Statements: statements})
				if err != nil {
					t.Fatal(err)
				}
				if len(out.Responses) != len(statements) {
					t.Fatalf("%d answers to %d statements", len(out.Responses), len(statements))
				}
				var done, left []int
				for i, response := range out.Responses {
					switch {
					case response.Error == nil:
						done = append(done, i)
					case slices.Contains(codes, string(response.Error.Code)):
						left = append(left, i)
					case i == n && response.Error.Code == types.BatchStatementErrorCodeEnumConditionalCheckFailed:
					default:
						t.Errorf("statement %d: %s: %s", i, response.Error.Code, aws.ToString(response.Error.Message))
					}
				}
				if len(left) == 0 || !slices.Equal(f.stored(t, "seen"), done) && len(done) > 0 {
					t.Errorf("done are %v, left undone %v, stored %v", done, left, f.stored(t, "seen"))
				}

				// A single statement is left undone, which is still an HTTP 200.
				out, err = f.faulty.BatchExecuteStatement(t.Context(), &dynamodb.BatchExecuteStatementInput{Statements: statements[:1]})
				if err != nil || len(out.Responses) != 1 || out.Responses[0].Error == nil {
					t.Errorf("a single statement returned %+v, %v", out, err)
				}
			})
		})
	}
}

// transact returns a transaction that stores n items.
func (f *fixture) transact(n int) *dynamodb.TransactWriteItemsInput {
	in := &dynamodb.TransactWriteItemsInput{}
	for i := range n {
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Put: &types.Put{TableName: &f.table, Item: key(i)}})
	}
	return in
}

// wantCancelled checks that one of n reasons is one of codes, and the others None.
func wantCancelled(t *testing.T, err error, n int, codes ...string) {
	t.Helper()
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Errorf("the error is %v, want a TransactionCanceledException", err)
		return
	}
	atFault := 0
	for _, reason := range cancelled.CancellationReasons {
		if slices.Contains(codes, aws.ToString(reason.Code)) {
			atFault++
		} else if aws.ToString(reason.Code) != "None" {
			t.Errorf("unexpected reason %q", aws.ToString(reason.Code))
		}
	}
	if len(cancelled.CancellationReasons) != n || atFault != 1 {
		t.Errorf("%d reasons for %d actions, %d of them %v", len(cancelled.CancellationReasons), n, atFault, codes)
	}
}

func TestTransactionConflict(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.TransactionConflict, Times: 2}, func(t *testing.T, f *fixture) {
		_, err := f.faulty.TransactWriteItems(t.Context(), f.transact(6))
		wantCancelled(t, err, 6, "TransactionConflict")

		_, err = f.faulty.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: key(0)})
		var conflict *types.TransactionConflictException
		if !errors.As(err, &conflict) {
			t.Errorf("the error of a single write is %v, want a TransactionConflictException", err)
		}
		if ids := f.stored(t, "id"); len(ids) != 0 {
			t.Errorf("refused calls stored %v", ids)
		}

		if _, err := f.faulty.TransactWriteItems(t.Context(), f.transact(6)); err != nil {
			t.Errorf("the call after the last fault failed: %v", err)
		}
		if ids := f.stored(t, "id"); !slices.Equal(ids, numbers(6)) {
			t.Errorf("the transaction stored %v", ids)
		}
	})
}

func TestThrottledTransaction(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.Throttle}, func(t *testing.T, f *fixture) {
		cancelled, refused := 0, 0
		for range 16 {
			_, err := f.faulty.TransactWriteItems(t.Context(), f.transact(3))
			var cancellation *types.TransactionCanceledException
			if errors.As(err, &cancellation) {
				cancelled++
				wantCancelled(t, err, 3, "ProvisionedThroughputExceeded", "ThrottlingError")
			} else {
				refused++
				wantCode(t, err, "ProvisionedThroughputExceededException", "ThrottlingException")
			}
		}
		if cancelled == 0 || refused == 0 {
			t.Errorf("of 16 throttles, %d came as a cancellation and %d as a refusal, want both", cancelled, refused)
		}
		if ids := f.stored(t, "id"); len(ids) != 0 {
			t.Errorf("throttled calls stored %v", ids)
		}
	})
}

func TestLostAnswer(t *testing.T) {
	eachServer(t, awstest.Rule{Kind: awstest.LostAnswer}, func(t *testing.T, f *fixture) {
		_, err := f.faulty.TransactWriteItems(t.Context(), f.transact(3))
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the error is %v, want that of a broken connection", err)
		}
		if ids := f.stored(t, "id"); !slices.Equal(ids, numbers(3)) {
			t.Errorf("stored are %v, want all: only the answer is lost", ids)
		}
	})
}
