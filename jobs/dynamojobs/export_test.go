package dynamojobs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// For tests from outside.

const TTLAttribute = attrTTL

var KeyID = keyID

func Definition(opts Options) *dynamodb.CreateTableInput {
	if err := opts.fill(); err != nil {
		panic(err)
	}
	return definition(opts)
}

// NewItem returns the record of a new job.
func NewItem(spec bulk.JobSpec) (map[string]types.AttributeValue, error) { return newItem(spec) }

// StopClocks keeps queues from making calls because time goes by.
func StopClocks() { sparesFor, dueEvery = time.Hour, time.Hour }

// StartAround makes a queue begin at the tenant of the lowest place.
func (q *Queue) StartAround() { q.ring.serve("") }

// ForgetSpares does to a queue what a moment without claims does.
func (q *Queue) ForgetSpares() { q.ring.keep(nil) }
