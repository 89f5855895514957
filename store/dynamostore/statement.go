package dynamostore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

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

// userStatement makes a change of a user.
func (s *Store) userStatement(c *change) (string, []types.AttributeValue) {
	if c.isCreate() {
		return insertInto(s.opts.UsersTable, s.newItem(c))
	}
	return s.updateStatement(c)
}

// insertInto returns a statement that creates an item, or fails if there is one.
func insertInto(table string, it item) (string, []types.AttributeValue) {
	var members []string
	var parameters []types.AttributeValue
	for _, name := range slices.Sorted(maps.Keys(it)) {
		members = append(members, literal(name)+": ?")
		parameters = append(parameters, it[name])
	}
	return "INSERT INTO " + identifier(table) + " VALUE {" + strings.Join(members, ", ") + "}", parameters
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
		// There is an old email: a first one is not for statements.
		assign(" AND ", identifier(a.Email), text(c.base.Email))
	}
	return b.String(), parameters
}

// A statementOf makes statements about changes: their text with its parameters, and
// their load.
type statementOf struct {
	text func(*change) (string, []types.AttributeValue)
	load func(*change) load
}

// batchStatements executes a statement for each change, as many at once as a call
// takes, and tells end what became of each.
func (s *Store) batchStatements(ctx context.Context, changes []*change, of statementOf, end func(*change, error)) {
	var calls sync.WaitGroup
	for _, call := range pack(changes, maxStatements, func(*change) int { return 1 }) {
		calls.Go(func() { s.sendStatements(ctx, call, of, end) })
	}
	calls.Wait()
}

// sendStatements executes statements by one BatchExecuteStatement, and more for what
// is throttled. An answer of HTTP 200 says nothing: every statement has an error of
// its own.
func (s *Store) sendStatements(ctx context.Context, changes []*change, of statementOf, end func(*change, error)) {
	var asked load
	for _, c := range changes {
		asked.add(of.load(c))
	}
	err := s.writes.repeat(ctx, asked, func() (answer, error) {
		out, err := s.client.BatchExecuteStatement(ctx, statements(changes, of))
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
				a.throttled.add(of.load(c))
			}
			if f.again() || f == passing {
				left, a.cause = append(left, c), err
				a.left.add(of.load(c))
			} else {
				end(c, err)
			}
		}
		changes = left
		return a, nil
	})
	for _, c := range changes { // that are left
		end(c, err)
	}
}

func statements(changes []*change, of statementOf) *dynamodb.BatchExecuteStatementInput {
	input := &dynamodb.BatchExecuteStatementInput{}
	for _, c := range changes {
		statement, parameters := of.text(c)
		input.Statements = append(input.Statements, types.BatchStatementRequest{
			Statement: aws.String(statement), Parameters: parameters,
		})
	}
	return input
}
