package dynamojobs

import "github.com/aws/aws-sdk-go-v2/service/dynamodb"

// For tests from outside.

const TTLAttribute = attrTTL

var KeyID = keyID

func Definition(opts Options) *dynamodb.CreateTableInput {
	if err := opts.fill(); err != nil {
		panic(err)
	}
	return definition(opts)
}
