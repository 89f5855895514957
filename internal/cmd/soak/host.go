//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// counterAttribute is an attribute that the host alone has.
const counterAttribute = "hostCount"

// A host is a [soak.Host] that writes to the tables itself.
type host struct {
	once *dynamodb.Client // makes one attempt a call
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func one() types.AttributeValue { return &types.AttributeValueMemberN{Value: "1"} }

func userKey(u audit.User) item {
	return item{"pk": text(dynamostore.DefaultUserKey(u.Tenant, u.ID).Partition)}
}

func claimKey(tenant, email string) item {
	return item{"pk": text(dynamostore.ClaimKey(tenant, email))}
}

// Count implements [soak.Host].
func (h *host) Count(ctx context.Context, u audit.User) error {
	_, err := h.once.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(usersTable), Key: userKey(u),
		UpdateExpression:          aws.String("ADD " + counterAttribute + " :one"),
		ConditionExpression:       aws.String("attribute_exists(pk)"),
		ExpressionAttributeValues: item{":one": one()},
	})
	return conditional(err)
}

// Set implements [soak.Host]. It leaves the version as it is.
func (h *host) Set(ctx context.Context, u audit.User, field string) error {
	_, err := h.once.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(usersTable), Key: userKey(u),
		UpdateExpression:          aws.String("SET customFields.#f=:one"),
		ConditionExpression:       aws.String("attribute_exists(pk)"),
		ExpressionAttributeNames:  map[string]string{"#f": field},
		ExpressionAttributeValues: item{":one": one()},
	})
	return conditional(err)
}

// Move implements [soak.Host].
func (h *host) Move(ctx context.Context, u audit.User, from, to string) error {
	_, err := h.once.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &types.Update{
			TableName: aws.String(usersTable), Key: userKey(u),
			UpdateExpression:          aws.String("SET email=:to"),
			ConditionExpression:       aws.String("email=:from"),
			ExpressionAttributeValues: item{":from": text(from), ":to": text(to)},
		}},
		{Put: &types.Put{
			TableName: aws.String(claimsTable), Item: with(claimKey(u.Tenant, to), "userId", text(u.ID)),
			ConditionExpression: aws.String("attribute_not_exists(pk)"),
		}},
		{Delete: &types.Delete{
			TableName: aws.String(claimsTable), Key: claimKey(u.Tenant, from),
			ConditionExpression:       aws.String("userId=:id"),
			ExpressionAttributeValues: item{":id": text(u.ID)},
		}},
	}})
	return conditional(err)
}

// conditional puts [soak.ErrRefused] in the place of an error for a failed condition.
func conditional(err error) error {
	var failed *types.ConditionalCheckFailedException
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &failed) || errors.As(err, &cancelled) {
		return soak.ErrRefused
	}
	return err
}

func with(it item, name string, value types.AttributeValue) item {
	it[name] = value
	return it
}

// Users implements [soak.Host].
func (h *host) Users(ctx context.Context) ([]soak.HostUser, error) {
	items, err := h.scan(ctx, usersTable)
	if err != nil {
		return nil, err
	}
	users := make([]soak.HostUser, len(items))
	for i, it := range items {
		if users[i], err = userOf(it); err != nil {
			return nil, fmt.Errorf("user %s: %w", textOf(it["userId"]), err)
		}
	}
	return users, nil
}

// Claims implements [soak.Host].
func (h *host) Claims(ctx context.Context) ([]audit.Claim, error) {
	items, err := h.scan(ctx, claimsTable)
	if err != nil {
		return nil, err
	}
	claims := make([]audit.Claim, len(items))
	for i, it := range items {
		tenant, email, _ := strings.Cut(textOf(it["pk"]), "#")
		claims[i] = audit.Claim{Tenant: tenant, EmailKey: email, UserID: textOf(it["userId"])}
	}
	return claims, nil
}

// scan reads a table as a whole.
func (h *host) scan(ctx context.Context, table string) (items []item, err error) {
	pages := dynamodb.NewScanPaginator(h.once, &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("scan %s: %w", table, err)
		}
		items = append(items, page.Items...)
	}
	return items, nil
}

// userOf reads an item, whose custom fields are texts and numbers here.
func userOf(it item) (u soak.HostUser, err error) {
	u = soak.HostUser{Tenant: textOf(it["tenant"]), User: bulk.User{ID: textOf(it["userId"]), Email: textOf(it["email"])}}
	if n, ok := it[counterAttribute].(*types.AttributeValueMemberN); ok {
		if u.Counter, err = strconv.Atoi(n.Value); err != nil {
			return u, err
		}
	}
	stored, ok := it["customFields"].(*types.AttributeValueMemberM)
	if !ok {
		return u, nil
	}
	fields := make(map[string]any)
	for name, value := range stored.Value {
		switch value := value.(type) {
		case *types.AttributeValueMemberS:
			fields[name] = value.Value
		case *types.AttributeValueMemberN:
			fields[name] = json.Number(value.Value)
		default:
			return u, fmt.Errorf("its field %s is a %T", name, value)
		}
	}
	u.CustomFields, err = bulk.NewFields(fields)
	return u, err
}

func textOf(value types.AttributeValue) string {
	if s, ok := value.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
