package bulk

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTaints(t *testing.T) {
	var taints taints
	row := func(index int, id, email string) *plan { return &plan{index: index, User: User{ID: id, Email: email}} }
	assert.False(t, taints.reach(row(9, "a", "new@x.y"), nil), "there are none")
	taints.add(4, "a", "")
	taints.add(2, "a", "New@x.y")
	taints.add(5, "a", "")
	ana := stored("a", "ana@x.y", "")
	for name, c := range map[string]struct {
		row   *plan
		owner *Stored
		want  bool
	}{
		"before it":               {row(1, "a", "new@x.y"), nil, false},
		"itself":                  {row(2, "a", "new@x.y"), nil, false},
		"names the user":          {row(3, "a", ""), nil, true},
		"names the email":         {row(3, "", "new@X.Y"), nil, true},
		"names the email, not id": {row(3, "b", "new@x.y"), nil, true},
		"means the user":          {row(3, "", "ana@x.y"), ana, true},
		"wants the user's email":  {row(3, "b", "ana@x.y"), ana, true},
		"another user":            {row(3, "b", ""), nil, false},
		"another email":           {row(3, "b", "b@x.y"), stored("c", "b@x.y", ""), false},
		"no user":                 {row(3, "", "c@x.y"), nil, false},
	} {
		assert.Equal(t, c.want, taints.reach(c.row, c.owner), name)
	}
}
