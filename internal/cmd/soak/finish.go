//go:build unix

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/internal/cmd/soak/audit"
)

// finish reads everything that is stored and has it checked.
func (d *driver) finish(ctx context.Context) ([]audit.Finding, error) {
	var final audit.Final
	begun := d.now()
	users, err := d.scan(ctx, usersTable)
	if err != nil {
		return nil, err
	}
	claims, err := d.scan(ctx, claimsTable)
	if err != nil {
		return nil, err
	}
	done := d.now()
	for _, it := range users {
		u, err := finalUser(it, begun, done)
		if err != nil {
			return nil, err
		}
		final.Users = append(final.Users, u)
	}
	for _, it := range claims {
		tenant, email, _ := strings.Cut(textOf(it["pk"]), "#")
		final.Claims = append(final.Claims, audit.Claim{Tenant: tenant, EmailKey: email, UserID: textOf(it["userId"])})
	}
	return d.auditor.Finish(final), nil
}

// scan reads a table as a whole.
func (d *driver) scan(ctx context.Context, table string) (items []item, err error) {
	pages := dynamodb.NewScanPaginator(d.backend.dynamoDB, &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("scan %s: %w", table, err)
		}
		items = append(items, page.Items...)
	}
	return items, nil
}

func finalUser(it item, begun, done time.Duration) (audit.FinalUser, error) {
	u := audit.FinalUser{
		Sample: audit.Sample{
			User:   audit.User{Tenant: textOf(it["tenant"]), ID: textOf(it["userId"])},
			Exists: true, Email: textOf(it["email"]), Begun: begun, Done: done,
		},
		Fields: make(map[string]bool),
	}
	if n, ok := it[counterAttribute].(*types.AttributeValueMemberN); ok {
		count, err := strconv.Atoi(n.Value)
		if err != nil {
			return u, fmt.Errorf("the host's counter of %s: %w", u.User, err)
		}
		u.Counter = count
	}
	fields, ok := it["customFields"].(*types.AttributeValueMemberM)
	if !ok {
		return u, nil
	}
	for name, value := range fields.Value {
		switch {
		case name == registerField:
			u.Register = textOf(value)
		case isWitness(name):
			u.Witnesses = append(u.Witnesses, name)
		default:
			u.Fields[name] = true
		}
	}
	return u, nil
}

func textOf(value types.AttributeValue) string {
	if s, ok := value.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
