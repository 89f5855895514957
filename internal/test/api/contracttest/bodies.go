package contracttest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// The codes of requests.
const (
	invalidJSON    = "INVALID_JSON"
	invalidRequest = "INVALID_REQUEST"
	emptyUsers     = "EMPTY_USERS"
)

// A bodyCase is a body that is refused. %s stands for rows, of which there are
// some, or so many that they would become a job.
type bodyCase struct{ name, body, code string }

func bodyCases() []bodyCase {
	cases := []bodyCase{
		{"empty", ``, invalidJSON},
		{"white space", " \t\r\n", invalidJSON},
		{"text", `users`, invalidJSON},
		{"HTML", `<html></html>`, invalidJSON},
		{"another value behind it", `{"users":[%s]}{}`, invalidJSON},
		{"a letter behind it", `{"users":[%s]}x`, invalidJSON},
		{"a bracket behind it", `{"users":[%s]}]`, invalidJSON},
		{"a second body behind it", `{"users":[%s]}` + "\n" + `{"users":[%[1]s]}`, invalidJSON},
		{"a NUL behind it", `{"users":[%s]}` + "\x00", invalidJSON},
		{"no-break space behind it", `{"users":[%s]}` + "\u00a0", invalidJSON},
		{"a comma at the end of users", `{"users":[%s,]}`, invalidJSON},
		{"a comma at the end of the body", `{"users":[%s],}`, invalidJSON},
		{"two commas in users", `{"users":[%s,,{}]}`, invalidJSON},
		{"no comma in users", `{"users":[%s {}]}`, invalidJSON},
		{"single quotes", `{"users":[%s,{'userId':'u'}]}`, invalidJSON},
		{"a key without quotes", `{"users":[%s,{userId:"u"}]}`, invalidJSON},
		{"a comment", `{"users":[%s/* no more */]}`, invalidJSON},
		{"NaN", `{"users":[%s,{"userId":"u","metadata":{"n":NaN}}]}`, invalidJSON},
		{"a number with a leading zero", `{"users":[%s,{"userId":"u","metadata":{"n":01}}]}`, invalidJSON},
		{"a number with a plus", `{"users":[%s,{"userId":"u","metadata":{"n":+1}}]}`, invalidJSON},
		{"a raw line feed in a string", `{"users":[%s,{"userId":"` + "a\nb" + `"}]}`, invalidJSON},
		{"an unknown escape", `{"users":[%s,{"userId":"\x41"}]}`, invalidJSON},
		{"cut off in the object", `{"users":[%s]`, invalidJSON},
		{"cut off in users", `{"users":[%s`, invalidJSON},
		{"cut off in a row", `{"users":[%s,{"userId":`, invalidJSON},
		{"cut off in a string", `{"users":[%s,{"userId":"u`, invalidJSON},
		{"cut off behind users", `{"users":[%s],`, invalidJSON},
		{"cut off in the options", `{"users":[%s],"options":{"upsert":tr`, invalidJSON},
		{"invalid UTF-8 in a row", `{"users":[%s,{"userId":"` + "\xff" + `"}]}`, invalidJSON},
		{"overlong UTF-8 in a row", `{"users":[%s,{"userId":"` + "\xc0\xaf" + `"}]}`, invalidJSON},
		{"half a character in a row", `{"users":[%s,{"userId":"` + "\xe2\x82" + `"}]}`, invalidJSON},
		{"an encoded surrogate in a row", `{"users":[%s,{"userId":"` + "\xed\xa0\x80" + `"}]}`, invalidJSON},
		{"invalid UTF-8 in a key of a row", `{"users":[%s,{"` + "\xff" + `":"u"}]}`, invalidJSON},
		{"invalid UTF-8 in a key of the body", `{"users":[%s],"` + "\xff" + `":1}`, invalidJSON},
		{"65 levels in a row", `{"users":[%s,{"userId":"u","metadata":` + nestedObjects(62) + `}]}`, invalidJSON},
		{"65 levels in a row that is an array", `{"users":[%s,` + nestedArrays(63) + `]}`, invalidJSON},
		{"65 levels under an unknown key", `{"users":[%s],"x":` + nestedArrays(64) + `}`, invalidJSON},
		{"10,000 levels", `{"users":[%s,` + nestedArrays(10_000) + `]}`, invalidJSON},
		{"64 levels under an unknown key", `{"users":[%s],"x":` + nestedArrays(63) + `}`, invalidRequest},

		{"an array", `[%s]`, invalidRequest},
		{"a string", `"users"`, invalidRequest},
		{"a number", `1`, invalidRequest},
		{"true", `true`, invalidRequest},
		{"null", `null`, invalidRequest},
		{"users missing", `{}`, invalidRequest},
		{"users missing with options", `{"options":{}}`, invalidRequest},
		{"users in another case", `{"Users":[%s]}`, invalidRequest},
		{"second users", `{"users":[%s],"users":[%[1]s]}`, invalidRequest},
		{"second users, empty", `{"users":[%s],"users":[]}`, invalidRequest},
		{"second users, escaped", `{"users":[%s],"user\u0073":[%[1]s]}`, invalidRequest},
		{"second options", `{"options":{},"users":[%s],"options":{}}`, invalidRequest},
		{"second options, both behind users", `{"users":[%s],"options":{},"options":{}}`, invalidRequest},
		{"second options, escaped", `{"options":{},"users":[%s],"\u006fptions":{}}`, invalidRequest},
		{"options in another case", `{"users":[%s],"Options":{}}`, invalidRequest},
		{"an unknown key before users", `{"dryRun":true,"users":[%s]}`, invalidRequest},
		{"an unknown key behind users", `{"users":[%s],"upsert":true}`, invalidRequest},
		{"an empty key", `{"users":[%s],"":1}`, invalidRequest},
		{"an unknown option", `{"options":{"overwrite":true},"users":[%s]}`, invalidRequest},
		{"an unknown option behind users", `{"users":[%s],"options":{"overwrite":true}}`, invalidRequest},
		{"an unknown option that is null", `{"users":[%s],"options":{"overwrite":null}}`, invalidRequest},
		{"an option in another case", `{"users":[%s],"options":{"Upsert":true}}`, invalidRequest},

		{"no users", `{"users":[]}`, emptyUsers},
		{"no users but white space", `{"users":[ ]}`, emptyUsers},
		{"no users with options", `{"options":{"dryRun":true},"users":[]}`, emptyUsers},
		{"no users and then options", `{"users":[],"options":{"dryRun":true}}`, emptyUsers},
	}
	for _, value := range []string{`null`, `{}`, `{"0":{"userId":"u"}}`, `"[]"`, `""`, `0`, `1`, `true`, `false`} {
		cases = append(cases, bodyCase{"users is " + value, `{"users":` + value + `}`, invalidRequest})
	}
	for _, value := range []string{`[]`, `"upsert"`, `""`, `1`, `true`, `false`, `[{"upsert":true}]`} {
		cases = append(cases,
			bodyCase{"options is " + value, `{"options":` + value + `,"users":[%s]}`, invalidRequest},
			bodyCase{"options behind users is " + value, `{"users":[%s],"options":` + value + `}`, invalidRequest},
		)
	}
	for _, option := range []string{"upsert", "skipDuplicates", "sendWelcomeEmail", "dryRun"} {
		for _, value := range []string{`"true"`, `"false"`, `""`, `1`, `0`, `[]`, `[true]`, `{}`} {
			cases = append(cases,
				bodyCase{option + " is " + value, `{"options":{"` + option + `":` + value + `},"users":[%s]}`, invalidRequest},
				bodyCase{option + " behind users is " + value, `{"users":[%s],"options":{"` + option + `":` + value + `}}`, invalidRequest},
			)
		}
	}
	return cases
}

func nestedObjects(levels int) string {
	return strings.Repeat(`{"k":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
}

func nestedArrays(levels int) string {
	return strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels)
}

var offset = regexp.MustCompile(`\d+`)

func testBodies(s *suite) {
	for _, c := range bodyCases() {
		for _, n := range []int{2, 150} {
			body := c.body
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, strings.Join(fillers("u", n), ","))
			} else if n > 2 {
				continue
			}
			s.runWitnessed(fmt.Sprintf("%s/%s/%d rows", c.code, c.name, n), func(w *world, v *witness) {
				a := w.post(body)
				p := a.refusedWith(http.StatusBadRequest, c.code)
				if c.code == invalidJSON && len(strings.TrimSpace(body)) > 0 && !offset.MatchString(p.Message) {
					a.errorf("the message has no offset")
				}
				v.sawNothing(w, a)
			})
		}
	}
	for _, c := range []struct{ name, body string }{
		{"options before users", `{"options":{"upsert":false},"users":[%s]}`},
		{"options behind users", `{"users":[%s],"options":{"upsert":false}}`},
		{"white space everywhere", " \t\r\n{ \"users\" \n:\t[ %s ] ,\r\"options\" : { \"upsert\" : false } } \r\n\t "},
		{"escaped keys", `{"u\u0073ers":[%s],"\u006fptions":{"up\u0073ert":false}}`},
	} {
		s.run("accepted/"+c.name, func(w *world) {
			w.seed(annRow)
			o := w.post(fmt.Sprintf(c.body, annRow)).outcome()
			o.row(0, "failed", "USER_EXISTS")
			rows := strings.Join(append(fillers("u", 120), annRow), ",")
			id := w.post(fmt.Sprintf(c.body, rows)).accepted().JobID
			w.run(id)
			o = w.download(w.job(id))
			o.row(0, "created")
			o.row(120, "failed", "USER_EXISTS")
		})
	}
	s.run("accepted/64 levels in a row, which then fails by itself", func(w *world) {
		o := w.post(bodyOf(`{"userId":"u","metadata":`+nestedObjects(61)+`}`, nestedArrays(62), `{"userId":"v"}`)).outcome()
		o.row(0, "failed", invalidMetadata)
		o.row(1, "failed", invalidUser)
		o.row(2, "created")
	})
	s.run("INVALID_JSON has the byte of the fault", func(w *world) {
		for _, body := range []string{`{"users":[{"userId":"u"},?`, `{"users":[{"userId":"u"}]}?`, `{"users":?`, `?`} {
			a := w.post(body)
			p := a.refusedWith(http.StatusBadRequest, invalidJSON)
			if at := fmt.Sprint(len(body) - 1); !regexp.MustCompile(`\b` + at + `\b`).MatchString(p.Message) {
				a.errorf("the message does not have the offset %s", at)
			}
		}
	})
	s.run("INVALID_REQUEST names the key", func(w *world) {
		for key, body := range map[string]string{
			"nickname":  `{"users":[{"userId":"u"}],"nickname":1}`,
			"overwrite": `{"users":[{"userId":"u"}],"options":{"overwrite":true}}`,
			"dryRun":    `{"users":[{"userId":"u"}],"options":{"dryRun":"yes"}}`,
			"users":     `{"options":{}}`,
		} {
			a := w.post(body)
			if p := a.refusedWith(http.StatusBadRequest, invalidRequest); !strings.Contains(p.Message, key) {
				a.errorf("the message does not name %s", key)
			}
		}
	})
}
