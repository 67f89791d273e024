//go:build ses

package main

import (
	"os"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/sesmail"
)

func init() {
	change = append(change, func(c *postern.Config) error {
		endpoint := os.Getenv("AWS_ENDPOINT_URL")
		sender, err := sesmail.New(sesmail.Config{From: "no-reply@example.com", Client: sesv2.New(sesv2.Options{
			Region: os.Getenv("AWS_REGION"), BaseEndpoint: &endpoint,
			Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		})})
		if err != nil {
			return err
		}
		c.Mail = sender.Send
		return nil
	})
}
