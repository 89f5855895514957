// The program imports a CSV file by the API. It is there to be measured: see the
// folder above.
package main

import (
	"context"
	"log"
	"os"

	"github.com/bulkops/bulkops/httpapi/client"
)

func main() {
	c, err := client.New(client.Config{BaseURL: "http://127.0.0.1:8080", Token: os.Getenv("TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	imported, err := c.Import(context.Background(), client.CSV(os.Stdin), nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%+v", imported.Summary())
}
