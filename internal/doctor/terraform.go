package doctor

import "strings"

// terraform reads the planned values of a plan, in the words of CloudFormation. What is known after apply only is not
// there, and is not checked: arguments that Terraform leaves out are their defaults.
func (t *template) terraform(planned map[string]any) {
	t.module(object(planned["root_module"]), 0)
}

func (t *template) module(m map[string]any, depth int) {
	if depth > maxDepth {
		return
	}
	for _, one := range list(m["resources"]) {
		r := object(one)
		if words(r["mode"]) != "data" {
			t.planned(words(r["address"]), words(r["type"]), object(r["values"]))
		}
	}
	for _, child := range list(m["child_modules"]) {
		t.module(object(child), depth+1)
	}
}

// first is the first block of a list of one, as Terraform writes nested blocks.
func first(v any) map[string]any {
	if all := list(v); len(all) > 0 {
		return object(all[0])
	}
	return nil
}

// planned adds a resource of Terraform's AWS provider.
func (t *template) planned(address, kind string, v map[string]any) {
	add := func(kind string, props map[string]any) { t.add(address, kind, props, v) }
	switch kind {
	case "aws_apigatewayv2_api":
		cors := first(v["cors_configuration"])
		add("AWS::ApiGatewayV2::Api", map[string]any{"ProtocolType": v["protocol_type"],
			"CorsConfiguration": map[string]any{"AllowOrigins": cors["allow_origins"], "AllowCredentials": cors["allow_credentials"]}})
	case "aws_apigatewayv2_authorizer":
		add("AWS::ApiGatewayV2::Authorizer", map[string]any{
			"AuthorizerType": v["authorizer_type"], "EnableSimpleResponses": v["enable_simple_responses"], "IdentitySource": v["identity_sources"],
			"AuthorizerResultTtlInSeconds": v["authorizer_result_ttl_in_seconds"], "AuthorizerUri": v["authorizer_uri"],
		})
	case "aws_api_gateway_authorizer":
		kind, source := v["type"], v["identity_source"]
		if kind == nil {
			kind = "TOKEN"
		}
		if source == nil {
			source = "method.request.header.Authorization"
		}
		add("AWS::ApiGateway::Authorizer", map[string]any{
			"Type": kind, "IdentitySource": source, "IdentityValidationExpression": v["identity_validation_expression"],
			"AuthorizerResultTtlInSeconds": v["authorizer_result_ttl_in_seconds"], "AuthorizerUri": v["authorizer_uri"],
		})
	case "aws_dynamodb_table":
		ttl, recovery := first(v["ttl"]), first(v["point_in_time_recovery"])
		keys := []any{}
		for _, name := range []any{v["hash_key"], v["range_key"]} {
			if name != nil {
				keys = append(keys, map[string]any{"AttributeName": name})
			}
		}
		add("AWS::DynamoDB::Table", map[string]any{
			"KeySchema": keys, "TimeToLiveSpecification": map[string]any{"AttributeName": ttl["attribute_name"], "Enabled": ttl["enabled"]},
			"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": recovery["enabled"]},
			"DeletionProtectionEnabled":        v["deletion_protection_enabled"],
		})
	case "aws_lambda_function":
		props := map[string]any{"FunctionName": v["function_name"], "Handler": v["handler"], "Role": v["role"],
			"Environment": map[string]any{"Variables": first(v["environment"])["variables"]}}
		if group := first(v["logging_config"])["log_group"]; group != nil {
			props["LoggingConfig"] = map[string]any{"LogGroup": group}
		}
		add("AWS::Lambda::Function", props)
	case "aws_cloudwatch_log_group":
		days := v["retention_in_days"]
		if days == float64(0) {
			days = nil // for ever
		}
		add("AWS::Logs::LogGroup", map[string]any{"LogGroupName": v["name"], "RetentionInDays": days})
	case "aws_iam_role_policy":
		add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["role"], address), "PolicyDocument": v["policy"]})
	case "aws_iam_policy":
		add("AWS::IAM::ManagedPolicy", map[string]any{"RoleName": named(v["name"], address), "PolicyDocument": v["policy"]})
	case "aws_iam_role":
		for _, p := range list(v["inline_policy"]) {
			add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["name"], address), "PolicyDocument": object(p)["policy"]})
		}
		add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["name"], address), "ManagedPolicyArns": v["managed_policy_arns"]})
	case "aws_iam_role_policy_attachment":
		add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["role"], address), "ManagedPolicyArns": v["policy_arn"]})
	case "aws_iam_role_policy_attachments_exclusive":
		add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["role_name"], address), "ManagedPolicyArns": v["policy_arns"]})
	case "aws_iam_policy_attachment":
		add("AWS::IAM::RolePolicy", map[string]any{"RoleName": named(v["roles"], address), "ManagedPolicyArns": v["policy_arn"]})
	case "aws_cloudfront_distribution":
		t.plannedDistribution(add, v)
	}
}

// named is a name, and the address, which is known where the name is not.
func named(name any, address string) string { return strings.TrimSpace(words(name) + " " + address) }

func (t *template) plannedDistribution(add func(string, map[string]any), v map[string]any) {
	behaviour := func(one any) map[string]any {
		b := object(one)
		out := map[string]any{"PathPattern": b["path_pattern"], "TargetOriginId": b["target_origin_id"], "MaxTTL": b["max_ttl"], "DefaultTTL": b["default_ttl"]}
		if id := words(b["cache_policy_id"]); id != "" {
			out["CachePolicyId"] = id
		}
		if f := first(b["forwarded_values"]); f != nil {
			out["ForwardedValues"] = map[string]any{"Cookies": map[string]any{"Forward": first(f["cookies"])["forward"]}}
		}
		return out
	}
	var behaviours, origins []any
	for _, b := range list(v["ordered_cache_behavior"]) {
		behaviours = append(behaviours, behaviour(b))
	}
	for _, one := range list(v["origin"]) {
		o := object(one)
		origins = append(origins, map[string]any{"Id": o["origin_id"], "DomainName": o["domain_name"]})
	}
	add("AWS::CloudFront::Distribution", map[string]any{"DistributionConfig": map[string]any{
		"CacheBehaviors": behaviours, "DefaultCacheBehavior": behaviour(first(v["default_cache_behavior"])), "Origins": origins,
	}})
}
