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
    "{\"postern\":1,\"for\":${jsonencode("${local.scope}/${each.key}")},\"value\":", jsonencode(var.secrets[each.key]), "}",
  ])
  value_wo_version = var.secrets_version
}
