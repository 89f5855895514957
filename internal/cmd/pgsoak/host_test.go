//go:build unix

package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// TestHost: the host's writes are done or refused, and show in what is read at the end.
func TestHost(t *testing.T) {
	through, past := open(t, passAll)
	for _, user := range []bulk.User{{ID: "u1", Email: "Ana@example.com"}, {ID: "u2", Email: "joe@example.com"}} {
		if err := errors.Join(through.Store.Commit(t.Context(), "red", []bulk.Write{{User: user}})...); err != nil {
			t.Fatal(err)
		}
	}
	ctx, u1, nobody := t.Context(), audit.User{Tenant: "red", ID: "u1"}, audit.User{Tenant: "blue", ID: "u1"}
	for name, err := range map[string]error{
		"Count of nobody":               past.Host.Count(ctx, nobody),
		"Set of nobody":                 past.Host.Set(ctx, nobody, "h1"),
		"Move to an address of another": past.Host.Move(ctx, u1, "Ana@example.com", "JOE@example.com"),
		"Move from another address":     past.Host.Move(ctx, u1, "joe@example.com", "new@example.com"),
	} {
		if !errors.Is(err, soak.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{
		past.Host.Count(ctx, u1), past.Host.Count(ctx, u1), past.Host.Set(ctx, u1, "h1"),
		past.Host.Move(ctx, u1, "Ana@example.com", "New@example.com"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	users, err := past.Host.Users(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(users, func(u soak.HostUser) bool { return u.ID == "u1" })
	if len(users) != 2 || i < 0 || users[i].Tenant != "red" || users[i].Email != "New@example.com" || users[i].Counter != 2 ||
		users[i].CustomFields.String() != `{"h1":1}` {
		t.Errorf("the users are %+v", users)
	}
	claims, err := past.Host.Claims(ctx)
	if err != nil || len(claims) != 2 || !slices.Contains(claims, audit.Claim{Tenant: "red", EmailKey: "new@example.com", UserID: "u1"}) {
		t.Errorf("the claims are %+v, %v", claims, err)
	}
}
