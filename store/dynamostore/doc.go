// Package dynamostore keeps users in Amazon DynamoDB.
//
//	client := dynamostore.NewClient(cfg) // an aws.Config
//	store, err := dynamostore.New(client, dynamostore.Options{
//		UsersTable:  "users",
//		ClaimsTable: "user-emails",
//	})
//
// # Tables
//
// The users table has one item for each user, under a key made of tenant and user
// id. The claims table has one item for each email, under a key made of tenant and
// [bulk.EmailKey]; it names the user that has the email. An index of the users
// table could not do that: indexes lag behind, so two users could get one email.
// [CreateTables] makes both.
//
// An email belongs to a user if the claim names the user and the user's item has
// the email. A claim alone, left by a program that deleted the user's item and
// nothing else, belongs to nobody: the next user that asks for the email takes it
// over. An email in an item alone, without a claim, is not protected.
//
// # Tables that exist already
//
// The names of all attributes are options, and [Options.UserKey] says how the key
// is made, so the users table can be one that the host program has already. What
// else its items hold is not read, not changed and not lost, and items that other
// programs made can be updated: custom fields and metadata are changed field by field,
// so the host may change other fields at the same time. Values that JSON does not have are shown as near as can be: sets as
// arrays, binary as base64. They are never written back.
//
// Before the first import, emails that the host's users have already need claims:
// for each an item in the claims table with the keys of [ClaimKey] and the user's
// id. [Store.BackfillClaims] puts them. A host that creates users, deletes them or
// changes emails itself keeps the claims in the same transaction.
//
// # What it costs
//
// A create with an email is a transaction of two items, so four write units for the
// smallest ones. Other writes are one write unit for each kilobyte of the item,
// whatever part of it changes; a change of email is a transaction of three items.
// [Exclusive] mode makes single writes of these transactions, for half of the units. A
// Commit takes its writes to DynamoDB in batches of [bulk.MaxBatch]. A Lookup reads
// each user that is named by id, strongly consistent, and the claim of each email,
// unless the user named beside it has that email; it is one BatchGetItem, and a
// second one for users that are found by their emails alone, and now and then to learn
// whether claims are needed. The
// first update of an item that another program made may take a call of its own, and
// so do updates of fields with dots, brackets or control characters in their names,
// and of more fields than a statement can name.
//
// # Permissions
//
// On the users table: dynamodb:BatchGetItem, ConditionCheckItem, PartiQLInsert,
// PartiQLUpdate, PutItem and UpdateItem. On the claims table: dynamodb:BatchGetItem,
// DeleteItem and PutItem, in [Exclusive] mode also PartiQLInsert and PartiQLDelete.
// [CreateTables] needs CreateTable and DescribeTable.
//
// # Throttling
//
// Calls that DynamoDB throttles, in whole or in part, are made again for what was
// not done, after a capped and jittered backoff of each batch, a bounded number of
// times. All calls of a store share a limit of concurrency that falls when calls
// are throttled and recovers when they are not. [NewClient] makes a client that
// leaves throttles to this policy.
package dynamostore
