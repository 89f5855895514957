package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// roleUser is a role of this server that may not import users: its callers are
// known, and refused with 403.
const roleUser bulk.Role = "user"

// tokens are the bearer tokens that the server accepts.
type tokens []token

type token struct {
	hash      [sha256.Size]byte
	principal bulk.Principal
}

var errNoToken = errors.New("no valid bearer token")

func newToken(text string, principal bulk.Principal) token {
	return token{hash: sha256.Sum256([]byte(text)), principal: principal}
}

// parseTokens reads "TOKEN=role:tenant:subject,…". The tenant may be empty; the
// subject may have colons. Errors name an entry by its place, as tokens are
// secret.
func parseTokens(list string) (tokens, error) {
	var all tokens
	for i, entry := range strings.Split(list, ",") {
		parsed, err := parseToken(strings.TrimSpace(entry))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		for _, other := range all {
			if other.hash == parsed.hash {
				return nil, fmt.Errorf("entry %d: its token stands before", i+1)
			}
		}
		all = append(all, parsed)
	}
	return all, nil
}

func parseToken(entry string) (token, error) {
	end := strings.LastIndex(entry, "=") // a token in base64 may end with some itself
	if end < 1 {
		return token{}, errors.New("is not TOKEN=role:tenant:subject")
	}
	parts := strings.SplitN(entry[end+1:], ":", 3)
	if len(parts) < 3 || parts[2] == "" {
		return token{}, errors.New("is not TOKEN=role:tenant:subject")
	}
	role := bulk.Role(parts[0])
	switch role {
	case bulk.RoleAdmin, bulk.RoleSuperAdmin, roleUser:
	default:
		return token{}, fmt.Errorf("role %q is not admin, super_admin or user", role)
	}
	return newToken(entry[:end], bulk.Principal{ID: parts[2], Tenant: parts[1], Role: role}), nil
}

// makeUpToken returns a random token of an admin.
func makeUpToken() (text string, all tokens) {
	text = rand.Text()
	return text, tokens{newToken(text, bulk.Principal{ID: "admin", Tenant: "demo", Role: bulk.RoleAdmin})}
}

// authorize returns the caller that the request's bearer token belongs to.
func (all tokens) authorize(r *http.Request) (bulk.Principal, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return bulk.Principal{}, errNoToken
	}
	return all.principal(strings.TrimSpace(text))
}

// principal returns whom a token belongs to. How long it takes says nothing about the
// tokens: the hashes of all are compared, in constant time.
func (all tokens) principal(text string) (bulk.Principal, error) {
	hash := sha256.Sum256([]byte(text))
	found := -1
	for i := range all {
		if subtle.ConstantTimeCompare(hash[:], all[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return bulk.Principal{}, errNoToken
	}
	return all[found].principal, nil
}
