package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestUsersOfREADME: examples/users.csv does what README.md says of it.
func TestUsersOfREADME(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		failed := filepath.Join(t.TempDir(), "failed.csv")
		code, out, _ := s.run(t.Context(), "-failed", failed, filepath.Join("..", "users.csv"))
		want(t, exitRows, code, out, "created               5\n", "failed                1\n", "line 5: INVALID_EMAIL: ")
		mended := strings.Replace(readFile(t, failed), "dan@example,", "dan@example.com,", 1)
		code, out, _ = s.run(t.Context(), writeFile(t, mended))
		want(t, exitFine, code, out, "created               1\n")
		for id, fields := range map[string]string{
			"u-1001": `{"active":true,"points":9007199254740993,"team":"Lakers"}`,
			"u-1002": `{"active":false,"points":12.5,"team":"Bulls, Chicago"}`,
			"u-1004": `{"active":true,"points":3,"team":"Lakers"}`,
			"u-1005": `{"team":"Nets"}`,
		} {
			if user, _ := s.store.Get("acme", id); user.CustomFields.String() != fields {
				t.Errorf("%s has %s, want %s", id, user.CustomFields, fields)
			}
		}
	})
}
