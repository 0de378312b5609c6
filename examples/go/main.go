// An application that serves many tenants behind Palisade, with the AWS SDK for Go v2.
//
//	go mod init example && go get github.com/aws/aws-sdk-go-v2/service/s3 github.com/aws/aws-sdk-go-v2/credentials
//	BUCKET=... go run .
//
// PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

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

var bucket = aws.String(os.Getenv("BUCKET"))

// forRequest gives one call the tenant and the passport of the request that it is made for. The provider is new for each call
// and stays outside aws.CredentialsCache, which would hand one tenant's credentials to the next.
func forRequest(r *http.Request) func(*s3.Options) {
	return func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(
			"tenant."+r.Header.Get("x-tenant-id"), "unused", r.Header.Get("x-palisade-passport"))
	}
}

func handle(w http.ResponseWriter, r *http.Request) {
	tenant, name := r.Header.Get("x-tenant-id"), strings.TrimPrefix(r.URL.Path, "/")
	var body []byte
	var err error
	switch {
	case r.Method == http.MethodPut:
		err = put(r, tenant+"/"+name)
	case name != "":
		body, err = get(r, tenant+"/"+name)
	default:
		body, err = list(r, tenant+"/")
	}
	if err != nil {
		// Refusals of Palisade's and of AWS's come as the same typed errors.
		var refused smithy.APIError
		if errors.As(err, &refused) {
			http.Error(w, refused.ErrorCode(), http.StatusForbidden)
			return
		}
		log.Print(err)
		http.Error(w, "unavailable", http.StatusBadGateway)
		return
	}
	w.Write(body)
}

func put(r *http.Request, key string) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_, err = client.PutObject(r.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}, forRequest(r))
	return err
}

func get(r *http.Request, key string) ([]byte, error) {
	object, err := client.GetObject(r.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key}, forRequest(r))
	if err != nil {
		return nil, err
	}
	defer object.Body.Close()
	return io.ReadAll(object.Body)
}

func list(r *http.Request, prefix string) ([]byte, error) {
	page, err := client.ListObjectsV2(r.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix}, forRequest(r))
	if err != nil {
		return nil, err
	}
	var keys bytes.Buffer
	for _, object := range page.Contents {
		fmt.Fprintln(&keys, aws.ToString(object.Key))
	}
	return keys.Bytes(), nil
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	http.HandleFunc("/", handle)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+env("PORT", "8080"), nil))
}
