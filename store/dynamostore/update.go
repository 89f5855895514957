package dynamostore

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// A userUpdate is the update of a user as expressions.
type userUpdate struct {
	expression
	update, condition string
}

// maps are the attributes with fields, and what a change does to them.
func (s *Store) maps(c *change) []struct {
	name  string
	patch bulk.Fields
} {
	return []struct {
		name  string
		patch bulk.Fields
	}{{s.attrs.CustomFields, c.patch.CustomFields}, {s.attrs.Metadata, c.patch.Metadata}}
}

func (s *Store) updateOf(c *change) userUpdate {
	if c.whole {
		return s.wholeUpdate(c)
	}
	return s.pathUpdate(c)
}

// pathUpdate changes only the paths of the patch.
func (s *Store) pathUpdate(c *change) userUpdate {
	var u userUpdate
	sets := s.ownSets(c, &u)
	var removes []string
	for _, m := range s.maps(c) {
		for name, value := range m.patch.All() {
			path := u.name(m.name) + "." + u.name(name)
			if isNull(value) {
				removes = append(removes, path)
			} else {
				sets = append(sets, path+"="+u.value(valueOf(value)))
			}
		}
	}
	u.update = "SET " + strings.Join(sets, ",")
	if len(removes) > 0 {
		u.update += " REMOVE " + strings.Join(removes, ",")
	}
	u.condition = s.baseCondition(c, &u)
	return u
}

// wholeUpdate replaces each map that the patch changes by what the patch makes of
// the map as it was read, in all its types, on the condition that it still is so.
func (s *Store) wholeUpdate(c *change) userUpdate {
	var u userUpdate
	sets := s.ownSets(c, &u)
	u.condition = s.baseCondition(c, &u)
	for _, m := range s.maps(c) {
		if m.patch.IsZero() {
			continue
		}
		attribute := u.name(m.name)
		old, exists := c.now[m.name]
		if exists {
			u.condition += " AND " + attribute + "=" + u.value(old)
		} else {
			u.condition += " AND attribute_not_exists(" + attribute + ")"
		}
		sets = append(sets, attribute+"="+u.value(merged(old, m.patch)))
	}
	u.update = "SET " + strings.Join(sets, ",")
	return u
}

// ownSets sets the store's own attributes, and the email if it changes.
func (s *Store) ownSets(c *change, u *userUpdate) []string {
	sets := []string{
		u.name(s.attrs.Version) + "=" + u.value(text(c.version)),
		u.name(s.attrs.Mark) + "=" + u.value(text(c.mark)),
	}
	if c.patch.Email != "" {
		sets = append(sets, u.name(s.attrs.Email)+"="+u.value(text(c.patch.Email)))
	}
	return sets
}

// baseCondition holds if the user is as it was looked up. An update that sets the
// email also looks at the old one: another program may have changed it, and knows
// nothing of versions.
func (s *Store) baseCondition(c *change, u *userUpdate) string {
	var condition string
	if c.base.Version == unversioned {
		condition = "attribute_exists(" + u.name(s.attrs.Key) + ") AND attribute_not_exists(" + u.name(s.attrs.Version) + ")"
	} else {
		condition = u.name(s.attrs.Version) + "=" + u.value(text(c.base.Version))
	}
	if c.patch.Email == "" {
		return condition
	}
	email := u.name(s.attrs.Email)
	same := email + "=" + u.value(text(c.base.Email))
	if c.base.Email == "" { // or what is no email: another type, or nothing
		same = "(" + same + " OR NOT attribute_type(" + email + "," + u.value(text("S")) + "))"
	}
	return condition + " AND " + same
}

// merged returns a stored map, or none, with a patch laid over it.
func merged(old types.AttributeValue, patch bulk.Fields) types.AttributeValue {
	members := make(map[string]types.AttributeValue)
	if m, ok := old.(*types.AttributeValueMemberM); ok {
		maps.Copy(members, m.Value)
	}
	for name, value := range patch.All() {
		if isNull(value) {
			delete(members, name)
		} else {
			members[name] = valueOf(value)
		}
	}
	return &types.AttributeValueMemberM{Value: members}
}

func isMap(value types.AttributeValue) bool {
	_, ok := value.(*types.AttributeValueMemberM)
	return ok
}

func isNull(value []byte) bool { return string(value) == "null" }

// sendUpdate makes the change of one user by an UpdateItem.
func (s *Store) sendUpdate(ctx context.Context, c *change) {
	u := s.updateOf(c)
	input := &dynamodb.UpdateItemInput{
		TableName:                 &s.opts.UsersTable,
		Key:                       s.attrs.userKey(c.key),
		UpdateExpression:          aws.String(u.update),
		ConditionExpression:       aws.String(u.condition),
		ExpressionAttributeNames:  u.names,
		ExpressionAttributeValues: u.values,
	}
	c.end(ctx, s.writes.repeat(ctx, c.userLoad(), func() (answer, error) {
		_, err := s.client.UpdateItem(ctx, input)
		return answer{}, err
	}))
}
