package dynamostore

import (
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// A Key is the primary key of an item in the users table.
type Key struct {
	// Partition is the value of [Attributes.Key].
	Partition string
	// Sort is the value of [Attributes.SortKey], "" if the table has none.
	Sort string
}

// DefaultUserKey returns the key tenant#id. In the tenant, % is written as %25 and
// # as %23, so that the first # ends it and no two users have the same key.
func DefaultUserKey(tenant, userID string) Key {
	return Key{Partition: join(tenant, userID)}
}

// ClaimKey returns the key of an email's item in the claims table: tenant#email,
// the tenant as in [DefaultUserKey] and the email as [bulk.EmailKey].
func ClaimKey(tenant, email string) string {
	return join(tenant, bulk.EmailKey(email))
}

var tenantEscaper = strings.NewReplacer("%", "%25", "#", "%23")

func join(tenant, rest string) string {
	return tenantEscaper.Replace(tenant) + "#" + rest
}

// valid reports whether an item can have the key. The SDK would send invalid UTF-8
// as replacement characters, and so make one key of several.
func (k Key) valid(sorted bool) bool {
	return validKey(k.Partition, maxPartitionKey) && (!sorted || validKey(k.Sort, maxSortKey))
}

func validKey(value string, most int) bool {
	return value != "" && len(value) <= most && utf8.ValidString(value)
}

func (a *Attributes) userKey(k Key) item {
	key := item{a.Key: text(k.Partition)}
	if a.SortKey != "" {
		key[a.SortKey] = text(k.Sort)
	}
	return key
}

// keyOf returns the key of an item that was read.
func (a *Attributes) keyOf(it item) Key {
	k := Key{Partition: textOf(it[a.Key])}
	if a.SortKey != "" {
		k.Sort = textOf(it[a.SortKey])
	}
	return k
}

// item is an item, or the key of one.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// textOf returns the text of a string, "" for anything else.
func textOf(value types.AttributeValue) string {
	if s, ok := value.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
