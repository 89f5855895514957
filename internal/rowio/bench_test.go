package rowio_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// The readers side by side, on 10,000 users.
func BenchmarkReaders(b *testing.B) {
	var json, ndjson, csv strings.Builder
	json.WriteString(`{"users":[`)
	csv.WriteString("userId,email,customFields.team,customFields.points:number,customFields.bio,metadata.source\n")
	bio := strings.Repeat("lorem ipsum ", 20)
	for i := range 10_000 {
		if i > 0 {
			json.WriteByte(',')
		}
		row := fmt.Sprintf(`{"userId":"u-%d","email":"user%d@example.com","customFields":{"team":"Lakers","points":%d,"bio":"%s"},"metadata":{"source":"crm"}}`, i, i, i, bio)
		json.WriteString(row)
		ndjson.WriteString(row + "\n")
		fmt.Fprintf(&csv, "u-%d,user%d@example.com,Lakers,%d,%s,crm\n", i, i, i, bio)
	}
	json.WriteString(`]}`)
	for _, test := range []struct{ name, body string }{{"json", json.String()}, {"ndjson", ndjson.String()}, {"csv", csv.String()}} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(int64(len(test.body)))
			b.ReportAllocs()
			for b.Loop() {
				r := readers[test.name](strings.NewReader(test.body))
				for {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
