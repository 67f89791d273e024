# The secret POSTERN_VAULT_KEY: made while Terraform runs, written, and forgotten. It is in no plan and in no state.
terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0"
    }
  }
}

variable "app" {
  description = "The application of the auth server."
  type        = string
}

variable "stage" {
  description = "The stage of the auth server."
  type        = string
  default     = "prod"
}

variable "secret_version" {
  description = "A new number makes a new key. Functions that run lose their keys by it: see README.md first."
  type        = number
  default     = 1
}

# 32 characters, which are 32 bytes: about 190 bits of chance.
ephemeral "aws_secretsmanager_random_password" "key" {
  password_length     = 32
  exclude_punctuation = true
}

resource "aws_ssm_parameter" "key" {
  name = "/postern/${var.app}/${var.stage}/Secret/POSTERN_VAULT_KEY/value"
  type = "SecureString"
  # Package secrets refuses a value that was copied from another application, stage or name. So the value has them.
  value_wo = join("", [
    "{\"postern\":1,\"for\":${jsonencode("${var.app}/${var.stage}/Secret/POSTERN_VAULT_KEY")},\"value\":",
    jsonencode(base64encode(ephemeral.aws_secretsmanager_random_password.key.random_password)), "}",
  ])
  value_wo_version = var.secret_version
}

output "seal" {
  description = "The variable seal of the auth server."
  value       = "secret:POSTERN_VAULT_KEY"
  depends_on  = [aws_ssm_parameter.key]
}
