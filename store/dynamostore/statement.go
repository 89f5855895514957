package dynamostore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// identifier quotes a name for a PartiQL statement. It is part of the text, so a
// quote in it is doubled; without that a name could end itself and go on as a
// statement.
func identifier(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// literal quotes a string for a PartiQL statement, likewise.
func literal(s string) string {
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}

// statementOf returns the statement that makes a change, and its parameters.
func (s *Store) statementOf(c *change) (string, []types.AttributeValue) {
	if c.isCreate() {
		return s.insertStatement(c)
	}
	return s.updateStatement(c)
}

// insertStatement creates a user, or fails if there is one.
func (s *Store) insertStatement(c *change) (string, []types.AttributeValue) {
	it := s.newItem(c)
	var members []string
	var parameters []types.AttributeValue
	for _, name := range slices.Sorted(maps.Keys(it)) {
		members = append(members, literal(name)+": ?")
		parameters = append(parameters, it[name])
	}
	return "INSERT INTO " + identifier(s.opts.UsersTable) + " VALUE {" + strings.Join(members, ", ") + "}", parameters
}

// updateStatement changes the paths of the patch if the user is as it was looked
// up. The assignments of one SET are separated by commas and every removal has its
// own REMOVE: what DynamoDB reads.
func (s *Store) updateStatement(c *change) (string, []types.AttributeValue) {
	a := &s.attrs
	var b strings.Builder
	var parameters []types.AttributeValue
	assign := func(separator, path string, value types.AttributeValue) {
		b.WriteString(separator + path + "=?")
		parameters = append(parameters, value)
	}
	b.WriteString("UPDATE " + identifier(s.opts.UsersTable))
	assign(" SET ", identifier(a.Version), text(c.version))
	assign(", ", identifier(a.Mark), text(c.mark))
	if c.patch.Email != "" {
		assign(", ", identifier(a.Email), text(c.patch.Email))
	}
	var removes []string
	for _, m := range s.maps(c) {
		parent := identifier(m.name)
		for name, value := range m.patch.All() {
			path := parent + "." + identifier(name)
			if isNull(value) {
				removes = append(removes, path)
			} else {
				assign(", ", path, valueOf(value))
			}
		}
	}
	for _, path := range removes {
		b.WriteString(" REMOVE " + path)
	}
	assign(" WHERE ", identifier(a.Key), text(c.key.Partition))
	if a.SortKey != "" {
		assign(" AND ", identifier(a.SortKey), text(c.key.Sort))
	}
	if c.base.Version == unversioned {
		b.WriteString(" AND " + identifier(a.Version) + " IS MISSING")
	} else {
		assign(" AND ", identifier(a.Version), text(c.base.Version))
	}
	if c.patch.Email != "" {
		// There is an old email: to claim a first one takes a transaction.
		assign(" AND ", identifier(a.Email), text(c.base.Email))
	}
	return b.String(), parameters
}

// sendStatements makes changes by one BatchExecuteStatement, and more for what is
// throttled. An answer of HTTP 200 says nothing: every statement has an error of its
// own.
func (s *Store) sendStatements(ctx context.Context, changes []*change) {
	err := s.writes.repeat(ctx, len(changes), func() (answer, error) {
		out, err := s.client.BatchExecuteStatement(ctx, s.statements(changes))
		switch {
		case err != nil:
			return answer{}, err
		case len(out.Responses) != len(changes):
			return answer{}, fmt.Errorf("%d answers to %d statements", len(out.Responses), len(changes))
		}
		var a answer
		var left []*change
		for i, c := range changes {
			var err error
			if failed := out.Responses[i].Error; failed != nil {
				err = partError(failed.Code, failed.Message)
			}
			f := faultOf(err)
			if f == throttled {
				a.throttled++
			}
			if f.again() || f == passing {
				left, a.cause = append(left, c), err
			} else {
				c.end(ctx, err)
			}
		}
		changes, a.left = left, len(left)
		return a, nil
	})
	for _, c := range changes { // that are left
		c.end(ctx, err)
	}
}

func (s *Store) statements(changes []*change) *dynamodb.BatchExecuteStatementInput {
	input := &dynamodb.BatchExecuteStatementInput{}
	for _, c := range changes {
		statement, parameters := s.statementOf(c)
		input.Statements = append(input.Statements, types.BatchStatementRequest{
			Statement: aws.String(statement), Parameters: parameters,
		})
	}
	return input
}
