# Values that are written and never read back: a plan and a state have only the version.
locals {
  # Package secrets refuses a value that was copied from another application, stage or name. So each value has them.
  scope = "${var.app}/${var.stage}/Secret"
}

resource "aws_ssm_parameter" "secret" {
  for_each = var.secret_names
  name     = "/postern/${local.scope}/${each.key}/value"
  type     = "SecureString"
  value_wo = join("", [
    "{\"postern\":1,\"for\":${jsonencode("${local.scope}/${each.key}")},\"value\":", jsonencode(try(var.secrets[each.key], null)), "}",
  ])
  value_wo_version = var.secrets_version

  lifecycle {
    # Whether this run writes the value is not known here, so each run needs it.
    precondition {
      condition     = try(trimspace(var.secrets[each.key]) != "", false)
      error_message = "The secret ${each.key} has no value: give secrets one for each name of secret_names, at each plan and apply. To set it elsewhere (postern secrets set), take it out of secret_names."
    }
  }
}
