package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/posternauth/postern/gateway"
)

// A handler is the authorizer, and counts its failures.
type handler struct {
	authorizer *gateway.Authorizer
	issuer     string
	out        io.Writer
	now        func() time.Time
}

// Invoke answers one event. Lambda counts a 401 as an error of the function, like a failure. So failures have a
// separate metric, in the embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func (h *handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	answer, err := h.authorizer.Invoke(ctx, event)
	if err != nil && !errors.Is(err, gateway.ErrUnauthorized) {
		line, jsonErr := json.Marshal(map[string]any{
			"_aws": map[string]any{
				"Timestamp": h.now().UnixMilli(),
				"CloudWatchMetrics": []any{map[string]any{
					"Namespace": "Postern", "Dimensions": [][]string{{"Issuer"}}, "Metrics": []any{map[string]string{"Name": "Errors", "Unit": "Count"}},
				}},
			},
			"Issuer": h.issuer, "Errors": 1, "error": err.Error(),
		})
		if jsonErr != nil {
			return nil, errors.Join(err, jsonErr)
		}
		fmt.Fprintf(h.out, "%s\n", line)
	}
	return answer, err
}
