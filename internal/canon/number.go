package canon

import (
	"strconv"
)

// The numbers that DynamoDB can hold: up to 38 significant digits, magnitude
// from 1e-130 up to 9.99…e125. Source: DynamoDB developer guide, "Supported
// data types and naming rules", Number.
const (
	maxDigits   = 38
	minExponent = -130 // of the first significant digit
	maxExponent = 125
)

// plainDigits is how many digits an integer may have, and how many zeros may
// stand between the point and the first digit of a fraction, before canonical
// text takes an exponent.
const (
	plainDigits = maxDigits
	plainZeros  = 6
)

// Number appends the canonical form of a JSON number: exact, without needless
// zeros, with an exponent only where plain digits would be long. It reports
// false if DynamoDB could not hold the number, and then appends nothing.
func Number(dst, text []byte) ([]byte, bool) {
	if plainInteger(text) {
		return append(dst, text...), true
	}
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	// digits are the significant ones; the number is 0.DIGITS × 10^point.
	var buf [maxDigits + 1]byte
	digits := buf[:0]
	point, seenPoint, zeros := 0, false, 0
	i := 0
scan:
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			seenPoint = true
		case c == 'e' || c == 'E':
			break scan
		default:
			if !seenPoint {
				point++
			}
			if c == '0' {
				if len(digits) == 0 {
					point-- // a leading zero is no digit
				} else {
					zeros++ // significant only if another digit follows
				}
				continue
			}
			if len(digits)+zeros+1 > maxDigits {
				return dst, false
			}
			for ; zeros > 0; zeros-- {
				digits = append(digits, '0')
			}
			digits = append(digits, c)
		}
	}
	if len(digits) == 0 {
		return append(dst, '0'), true
	}
	if i < len(text) {
		exponent, ok := parseExponent(text[i+1:])
		if !ok {
			return dst, false
		}
		point += exponent
	}
	if point-1 < minExponent || point-1 > maxExponent {
		return dst, false
	}
	if negative {
		dst = append(dst, '-')
	}
	return appendDecimal(dst, digits, point), true
}

// plainInteger reports whether text is an integer that is canonical as it
// stands, as nearly all numbers are.
func plainInteger(text []byte) bool {
	digits := text
	if digits[0] == '-' {
		digits = digits[1:]
		if digits[0] == '0' {
			return false // -0 is 0
		}
	}
	if len(digits) > plainDigits {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// parseExponent reads the digits behind the e. An exponent too large for the
// range below is out of range whatever the digits before it were, as these are
// bounded by the size of a request.
func parseExponent(text []byte) (int, bool) {
	n, err := strconv.ParseInt(string(text), 10, 32)
	return int(n), err == nil
}

// appendDecimal writes 0.DIGITS × 10^point.
func appendDecimal(dst, digits []byte, point int) []byte {
	switch {
	case point > plainDigits || point < -plainZeros:
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(dst, '.')
			dst = append(dst, digits[1:]...)
		}
		dst = append(dst, 'e')
		return strconv.AppendInt(dst, int64(point-1), 10)
	case point <= 0:
		dst = append(dst, '0', '.')
		for range -point {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	case point >= len(digits):
		dst = append(dst, digits...)
		for range point - len(digits) {
			dst = append(dst, '0')
		}
		return dst
	default:
		dst = append(dst, digits[:point]...)
		dst = append(dst, '.')
		return append(dst, digits[point:]...)
	}
}
