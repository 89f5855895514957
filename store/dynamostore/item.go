package dynamostore

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// unversioned is the version of a user that another program made and no Commit has
// written yet. Other versions are longer.
const unversioned = "0"

// stored returns the user with that id as its item says.
func (s *Store) stored(id string, it item) (*bulk.Stored, error) {
	customFields, err := fieldsOf(it[s.attrs.CustomFields])
	if err != nil {
		return nil, fmt.Errorf("custom fields of user %q: %w", id, err)
	}
	metadata, err := fieldsOf(it[s.attrs.Metadata])
	if err != nil {
		return nil, fmt.Errorf("metadata of user %q: %w", id, err)
	}
	return &bulk.Stored{
		User: bulk.User{
			ID:           id,
			Email:        textOf(it[s.attrs.Email]),
			CustomFields: customFields,
			Metadata:     metadata,
		},
		Version: s.version(it),
		Mark:    textOf(it[s.attrs.Mark]),
	}, nil
}

func (s *Store) version(it item) string {
	if v := textOf(it[s.attrs.Version]); v != "" {
		return v
	}
	return unversioned
}

// hasEmail reports whether the item of a user, nil if there is none, has the email
// of a claim of that tenant.
func (s *Store) hasEmail(it item, tenant, claim string) bool {
	email := textOf(it[s.attrs.Email])
	return email != "" && ClaimKey(tenant, email) == claim
}

// newItem returns the item of a new user. It has both maps, also where they are
// empty, as a field can be set only in a map that is there.
func (s *Store) newItem(c *change) item {
	a := &s.attrs
	it := item{
		a.Tenant:       text(c.tenant),
		a.UserID:       text(c.user.ID),
		a.CustomFields: &types.AttributeValueMemberM{Value: mapOf(c.user.CustomFields)},
		a.Metadata:     &types.AttributeValueMemberM{Value: mapOf(c.user.Metadata)},
		a.Version:      text(c.version),
		a.Mark:         text(c.mark),
	}
	if c.user.Email != "" {
		it[a.Email] = text(c.user.Email)
	}
	for name, value := range a.userKey(c.key) {
		it[name] = value // last, as the key may be the tenant's or user's attribute
	}
	return it
}

func (s *Store) newClaim(claim, userID string) item {
	return item{s.attrs.ClaimKey: text(claim), s.attrs.ClaimUserID: text(userID)}
}
