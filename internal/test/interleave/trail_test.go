package interleave

import (
	"encoding/json"
	"slices"

	"github.com/bulkops/bulkops/bulk"
)

// An entry is one decision, as the journal has it.
type entry struct {
	Rows    []int
	Results map[int]bulk.RowResult
	Write   *bulk.Write // nil for a final
	Nonce   string
	Counter int // of the base
	doubt   bool
}

type chunk struct {
	Token     int64
	ID        string
	Entries   []*entry
	Confirmed []int
}

// A trail is what a mark has.
type trail struct {
	Counter int
	Nonces  []string
}

const maxNonces = 65

func readTrail(s *bulk.Stored) (t trail) {
	if s != nil && s.Mark != "" && json.Unmarshal([]byte(s.Mark), &t) != nil {
		return trail{}
	}
	return t
}

// at returns the nonce at a position, from 1.
func (t trail) at(position int) (nonce string, ok bool) {
	i := position - 1 - (t.Counter - len(t.Nonces))
	if i < 0 || i >= len(t.Nonces) {
		return "", false
	}
	return t.Nonces[i], true
}

func (t trail) with(nonce string) string {
	t.Counter++
	t.Nonces = append(slices.Clone(t.Nonces), nonce)
	if len(t.Nonces) > maxNonces {
		t.Nonces = t.Nonces[1:]
	}
	text, err := json.Marshal(t)
	must(err)
	return string(text)
}

type verdict int

const (
	wasApplied verdict = iota
	isLive
	isDead
	isUnknown
)

// verdict judges an entry by its user.
func (f *reference) verdict(e *entry, held *bulk.Stored) verdict {
	t := readTrail(held)
	base := e.Write.Base
	switch {
	case base == nil && held == nil:
		return isLive
	case base == nil && f.omit == judgeCreates:
		return wasApplied
	case base == nil && t.Counter == 0:
		return isDead
	case base == nil:
		return e.verdictAt(t, 1)
	case held == nil, t.Counter < e.Counter:
		return isUnknown
	case held.Version == base.Version:
		return isLive
	case f.omit == judgeUpdates:
		return wasApplied
	case t.Counter == e.Counter:
		return isDead
	}
	return e.verdictAt(t, e.Counter+1)
}

func (e *entry) verdictAt(t trail, position int) verdict {
	switch nonce, ok := t.at(position); {
	case !ok:
		return isUnknown
	case nonce == e.Nonce:
		return wasApplied
	}
	return isDead
}
