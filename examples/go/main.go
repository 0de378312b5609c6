// An application that serves many tenants behind Palisade, with the AWS SDK for Go v2.
//
//	go mod init example && go get github.com/aws/aws-sdk-go-v2/service/s3
//	BUCKET=... go run .
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// One client for the process. It has no credentials of its own: a call without forRequest fails.
var client = s3.New(s3.Options{
	BaseEndpoint: aws.String(env("PALISADE_EGRESS", "http://127.0.0.1:8180")),
	Region:       env("AWS_REGION", "eu-west-1"),
	UsePathStyle: true,
})

// forRequest gives one call the tenant and the passport of the request that it is made for.
func forRequest(r *http.Request) func(*s3.Options) {
	return func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(
			"tenant."+r.Header.Get("x-tenant-id"), "unused", r.Header.Get("x-palisade-passport"))
	}
}

func list(w http.ResponseWriter, r *http.Request) {
	page, err := client.ListObjectsV2(r.Context(), &s3.ListObjectsV2Input{
		Bucket: aws.String(os.Getenv("BUCKET")),
		Prefix: aws.String(r.Header.Get("x-tenant-id") + "/"),
	}, forRequest(r))
	if err != nil {
		// Refusals of Palisade's and of AWS's come as the same typed errors.
		var refused smithy.APIError
		if errors.As(err, &refused) {
			http.Error(w, refused.ErrorCode(), http.StatusForbidden)
			return
		}
		http.Error(w, "unavailable", http.StatusBadGateway)
		return
	}
	for _, object := range page.Contents {
		fmt.Fprintln(w, aws.ToString(object.Key))
	}
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	http.HandleFunc("/", list)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+env("PORT", "8080"), nil))
}
