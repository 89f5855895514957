package fieldrules

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
)

// formats are the tags of validator that a string may have, with what is wrong with
// one that fails. A %s is the value of the tag; those without have none. They
// depend on the string alone.
var formats = map[string]string{
	"eq":                 "must be %s",
	"ne":                 "must be other than %s",
	"oneof":              "must be one of %s",
	"oneofci":            "must be one of %s, in any case",
	"contains":           "must contain %s",
	"containsany":        "must contain one of the characters %s",
	"excludes":           "must not contain %s",
	"excludesall":        "must contain none of the characters %s",
	"startswith":         "must start with %s",
	"endswith":           "must end with %s",
	"startsnotwith":      "must not start with %s",
	"endsnotwith":        "must not end with %s",
	"alpha":              "must have letters from a to z only",
	"alphanum":           "must have letters from a to z and digits only",
	"alphaunicode":       "must have letters only",
	"alphanumunicode":    "must have letters and digits only",
	"ascii":              "must have ASCII characters only",
	"printascii":         "must have printable ASCII characters only",
	"lowercase":          "must be in lower case",
	"uppercase":          "must be in upper case",
	"numeric":            "must be the text of a number",
	"hexadecimal":        "must be hexadecimal",
	"hexcolor":           "must be a colour like #a1b2c3",
	"base64":             "must be base64",
	"base64url":          "must be base64 for URLs",
	"json":               "must be the text of a JSON value",
	"jwt":                "must be a JSON web token",
	"semver":             "must be a semantic version",
	"datetime":           "must be a time like %s",
	"email":              "must be an email address",
	"url":                "must be a URL",
	"http_url":           "must be a URL of http or https",
	"uri":                "must be a URI",
	"hostname":           "must be a host name",
	"fqdn":               "must be a fully qualified domain name",
	"ip":                 "must be an IP address",
	"ipv4":               "must be an IPv4 address",
	"ipv6":               "must be an IPv6 address",
	"cidr":               "must be an IP range like 192.0.2.0/24",
	"mac":                "must be a MAC address",
	"uuid":               "must be a UUID",
	"ulid":               "must be a ULID",
	"e164":               "must be a telephone number like +15550100",
	"iso3166_1_alpha2":   "must be a country code of two letters (ISO 3166-1)",
	"iso3166_1_alpha3":   "must be a country code of three letters (ISO 3166-1)",
	"iso4217":            "must be a currency code (ISO 4217)",
	"bcp47_language_tag": "must be a language tag like en-GB (BCP 47)",
	"credit_card":        "must be the number of a credit card",
	"bic":                "must be a BIC",
	"latitude":           "must be a latitude",
	"longitude":          "must be a longitude",
	"isbn":               "must be an ISBN",
}

var validate = validator.New()

func textOf(value json.RawMessage) (text string) {
	_ = json.Unmarshal(value, &text) // fields are valid JSON
	return text
}

func characters(value json.RawMessage) int { return utf8.RuneCountInString(textOf(value)) }

var characterTag = countTag("character", characters)

// stringTag makes the test of a tag for strings.
func stringTag(name, param string) (test, error) {
	t, err := characterTag(name, param)
	if !errors.Is(err, errUnknown) {
		return t, err
	}
	words, ok := formats[name]
	tag := name
	switch takes := strings.Contains(words, "%s"); {
	case !ok:
		return test{}, errUnknown
	case takes && param == "":
		return test{}, errors.New("it lacks a value")
	case !takes && param != "":
		return test{}, errors.New("it has no value")
	case takes:
		tag += "=" + param
		words = fmt.Sprintf(words, shown(name, param))
	}
	return test{words, func(value json.RawMessage) bool { return validate.Var(textOf(value), tag) == nil }}, nil
}

// listed finds the values of oneof: words, or anything between apostrophes.
var listed = regexp.MustCompile(`'[^']*'|\S+`)

// shown returns the value of a tag as its words have it.
func shown(name, param string) string {
	param = strings.NewReplacer("0x2C", ",", "0x7C", "|").Replace(param)
	switch name {
	case "datetime":
		return param
	case "oneof", "oneofci":
		values := listed.FindAllString(param, -1)
		for i, value := range values {
			values[i] = strconv.Quote(strings.Trim(value, "'"))
		}
		return strings.Join(values, ", ")
	default:
		return strconv.Quote(param)
	}
}
