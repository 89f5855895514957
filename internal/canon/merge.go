package canon

import "bytes"

// IsNull reports whether a value is the literal null.
func IsNull(value []byte) bool { return len(value) == 4 && value[0] == 'n' }

// Merge appends base with patch laid over it, member by member: a member of
// patch replaces the one of base, null removes it. Both are canonical objects,
// and so is what is appended.
func Merge(dst, base, patch []byte) []byte {
	dst = append(dst, '{')
	empty := true
	join(base, patch, func(name, old, new []byte) {
		value := new
		if value == nil {
			value = old
		} else if IsNull(value) {
			return
		}
		dst = appendMember(dst, name, value, &empty)
	})
	return append(dst, '}')
}

// Diff appends the members of patch that would change base. It appends {} if
// none would.
func Diff(dst, base, patch []byte) []byte {
	dst = append(dst, '{')
	empty := true
	join(base, patch, func(name, old, new []byte) {
		if new == nil || bytes.Equal(old, new) || old == nil && IsNull(new) {
			return
		}
		dst = appendMember(dst, name, new, &empty)
	})
	return append(dst, '}')
}

// Missing appends the members of patch whose names base lacks, but for nulls.
func Missing(dst, base, patch []byte) []byte {
	dst = append(dst, '{')
	empty := true
	join(base, patch, func(name, old, new []byte) {
		if old == nil && !IsNull(new) {
			dst = appendMember(dst, name, new, &empty)
		}
	})
	return append(dst, '}')
}

// Changes appends the patch that makes to of from: the members that differ, and a
// null for each that to lacks.
func Changes(dst, from, to []byte) []byte {
	dst = append(dst, '{')
	empty := true
	join(from, to, func(name, old, new []byte) {
		switch {
		case new == nil:
			dst = appendMember(dst, name, []byte("null"), &empty)
		case !bytes.Equal(old, new):
			dst = appendMember(dst, name, new, &empty)
		}
	})
	return append(dst, '}')
}

func appendMember(dst, name, value []byte, empty *bool) []byte {
	if !*empty {
		dst = append(dst, ',')
	}
	*empty = false
	dst = append(dst, name...)
	dst = append(dst, ':')
	return append(dst, value...)
}

// join walks two canonical objects in the order of their names. A value is nil
// where its object lacks the name.
func join(a, b []byte, each func(name, inA, inB []byte)) {
	sa, sb := Scan(a), Scan(b)
	nameA, valueA, okA := sa.Next()
	nameB, valueB, okB := sb.Next()
	for okA || okB {
		order := 0
		switch {
		case !okA:
			order = 1
		case !okB:
			order = -1
		default:
			order = bytes.Compare(nameA, nameB)
		}
		switch {
		case order < 0:
			each(nameA, valueA, nil)
			nameA, valueA, okA = sa.Next()
		case order > 0:
			each(nameB, nil, valueB)
			nameB, valueB, okB = sb.Next()
		default:
			each(nameA, valueA, valueB)
			nameA, valueA, okA = sa.Next()
			nameB, valueB, okB = sb.Next()
		}
	}
}
