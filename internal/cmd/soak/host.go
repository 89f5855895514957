//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/cmd/soak/audit"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// counterAttribute is an attribute that the host alone has.
const counterAttribute = "hostCount"

// hostTimeout bounds a call of the host.
const hostTimeout = 15 * time.Second

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func one() types.AttributeValue { return &types.AttributeValueMemberN{Value: "1"} }

func userKey(u audit.User) item {
	return item{"pk": text(dynamostore.DefaultUserKey(u.Tenant, u.ID).Partition)}
}

func claimKey(tenant, email string) item {
	return item{"pk": text(dynamostore.ClaimKey(tenant, email))}
}

// host writes to users as the host program may: without imports, at any time.
func (d *driver) host(ctx context.Context) {
	random := rand.New(rand.NewPCG(d.seed, 4))
	for n := 0; pause(ctx, time.Duration(random.IntN(20))*time.Millisecond); n++ {
		one, ok := d.window.pick(random)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostTimeout)
		field := fmt.Sprintf("%s%d", hostPrefix, n)
		switch random.IntN(8) {
		case 0:
			d.hostSet(ctx, one.user, field)
		case 1, 2:
			d.hostCommit(ctx, one.user, field)
		case 3:
			if one.email != "" {
				d.hostMove(ctx, one.user, one.email, fmt.Sprintf("host-%d@example.com", n))
			}
		default:
			d.hostCount(ctx, one.user)
		}
		cancel()
	}
}

// hostCount adds one to an attribute of the host's own.
func (d *driver) hostCount(ctx context.Context, u audit.User) {
	_, err := d.backend.dynamoDB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(usersTable), Key: userKey(u),
		UpdateExpression:          aws.String("ADD " + counterAttribute + " :one"),
		ConditionExpression:       aws.String("attribute_exists(pk)"),
		ExpressionAttributeValues: item{":one": one()},
	})
	d.auditor.HostCounted(u, outcome(err, refusedItem(err)))
}

// hostSet sets a custom field and leaves the version as it is.
func (d *driver) hostSet(ctx context.Context, u audit.User, field string) {
	_, err := d.backend.dynamoDB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(usersTable), Key: userKey(u),
		UpdateExpression:          aws.String("SET customFields.#f=:one"),
		ConditionExpression:       aws.String("attribute_exists(pk)"),
		ExpressionAttributeNames:  map[string]string{"#f": field},
		ExpressionAttributeValues: item{":one": one()},
	})
	d.auditor.HostSet(u, field, outcome(err, refusedItem(err)))
}

// hostCommit sets a custom field by way of the store, which gives the user a new
// version. The mark stays.
func (d *driver) hostCommit(ctx context.Context, u audit.User, field string) {
	found, err := d.backend.cfg.Store.Lookup(ctx, u.Tenant, []bulk.Ref{{ID: u.ID}})
	if err != nil || found[0].ByID == nil {
		return
	}
	base := found[0].ByID
	patch, err := bulk.NewFields(map[string]any{field: 1})
	if err != nil {
		d.fail(err)
		return
	}
	user := base.User
	user.CustomFields = base.CustomFields.Merge(patch)
	err = d.backend.cfg.Store.Commit(ctx, u.Tenant, []bulk.Write{{
		User: user, Mark: base.Mark, Base: base, Patch: bulk.Patch{CustomFields: patch},
	}})[0]
	d.auditor.HostSet(u, field, outcome(err, errors.Is(err, bulk.ErrConflict)))
}

// hostMove gives a user an address that nobody had, if it still has the one that
// is known.
func (d *driver) hostMove(ctx context.Context, u audit.User, from, to string) {
	begun := d.now()
	_, err := d.backend.dynamoDB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
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
	var cancelled *types.TransactionCanceledException
	d.auditor.HostMoved(u, to, begun, d.now(), outcome(err, errors.As(err, &cancelled)))
}

// refusedItem reports whether a call failed its condition.
func refusedItem(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

func with(it item, name string, value types.AttributeValue) item {
	it[name] = value
	return it
}
