package dynamostore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// tokens is a client that checks the ClientRequestToken of each transaction. For ten
// minutes DynamoDB refuses a token that comes with other actions than before, and
// may answer for one that was cancelled without trying again. The servers for tests
// do not.
type tokens struct {
	dynamostore.Client
	t *testing.T

	mu        sync.Mutex
	actions   map[string]string // by token
	cancelled map[string]bool
	again     int // tokens that were sent again, as they should be for the same call
}

func (c *tokens) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	actions, err := json.Marshal(in.TransactItems)
	if err != nil {
		c.t.Error(err)
	}
	token := aws.ToString(in.ClientRequestToken)
	c.mu.Lock()
	before, known := c.actions[token]
	switch {
	case token == "":
		c.t.Error("a transaction without a token")
	case c.cancelled[token]:
		c.t.Error("the token of a transaction that was cancelled is used again")
	case known && before != string(actions):
		c.t.Error("a token is used again for other actions")
	case known:
		c.again++
	}
	c.actions[token] = string(actions)
	c.mu.Unlock()

	out, err := c.Client.TransactWriteItems(ctx, in, options...)
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		c.mu.Lock()
		c.cancelled[token] = true
		c.mu.Unlock()
	}
	return out, err
}

// newTokens returns a client whose calls meet the faults of the rule.
func newTokens(h *host, rules ...awstest.Rule) *tokens {
	faults := awstest.NewFaults(h, awstest.Transport(h), 1, rules...)
	return &tokens{
		Client: dynamostore.NewClient(h.server.Config(faults)), t: h.T,
		actions: make(map[string]string), cancelled: make(map[string]bool),
	}
}

// A transaction that was cancelled goes again under another token: what was not at
// fault without what was, and what has to wait as it is.
func TestTokensOfCancelledTransactions(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		for name, rules := range map[string][]awstest.Rule{
			"refused":         nil, // the first write, as its claim is one that was left over
			"conflict":        {{Kind: awstest.TransactionConflict, Times: 1}},
			"three conflicts": {{Kind: awstest.TransactionConflict, Times: 3}},
		} {
			for _, n := range []int{1, 5} {
				var writes []bulk.Write
				for i := range n {
					id := fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(name, " ", "-"), n, i)
					writes = append(writes, bulk.Write{User: bulk.User{ID: id, Email: id + "@example.com"}})
				}
				if rules == nil {
					claim := dynamostore.ClaimKey("t", writes[0].User.Email)
					h.put(h.opts.ClaimsTable, item{"pk": text(claim), "userId": text("nobody")})
				}
				client := newTokens(h, rules...)
				store, err := dynamostore.New(client, h.opts)
				if err != nil {
					h.Fatal(err)
				}
				for _, err := range store.Commit(h.Context(), "t", writes) {
					if err != nil {
						h.Errorf("%s, %d writes: %v", name, n, err)
					}
				}
				if len(client.cancelled) == 0 {
					h.Errorf("%s, %d writes: no transaction was cancelled", name, n)
				}
			}
		}
	})
}

// A call that may have been done goes again under the same token, by which DynamoDB
// knows it.
func TestTokenOfTheSameCall(t *testing.T) {
	eachHost(t, guardedOnly, func(h *host) {
		client := newTokens(h)
		client.Client = &inProgress{Client: client.Client}
		store, err := dynamostore.New(client, h.opts)
		if err != nil {
			h.Fatal(err)
		}
		w := bulk.Write{User: bulk.User{ID: "u", Email: "u@example.com"}}
		if err := store.Commit(h.Context(), "t", []bulk.Write{w})[0]; err != nil {
			h.Error(err)
		}
		if client.again != 1 {
			h.Errorf("%d calls had the token of one that was in progress, want 1", client.again)
		}
	})
}

// inProgress is a client whose first transaction is still in progress when it is
// answered.
type inProgress struct {
	dynamostore.Client
	once sync.Once
}

func (c *inProgress) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (out *dynamodb.TransactWriteItemsOutput, err error) {
	first := false
	c.once.Do(func() { first = true })
	out, err = c.Client.TransactWriteItems(ctx, in, options...)
	if first && err == nil {
		return nil, &types.TransactionInProgressException{Message: aws.String("The transaction with the given request token is already in progress.")}
	}
	return out, err
}
