variable "app" {
  description = "Name of the application. It is part of the paths of keys and secrets."
  type        = string
  validation {
    condition     = can(regex("^[a-zA-Z][-a-zA-Z0-9]{0,30}$", var.app))
    error_message = "Use letters, digits and hyphens, such as shop."
  }
}

variable "stage" {
  description = "Stage of the application. It is part of the paths of keys and secrets."
  type        = string
  default     = "prod"
  validation {
    condition     = can(regex("^[a-zA-Z][-a-zA-Z0-9]{0,30}$", var.stage))
    error_message = "Use letters, digits and hyphens, such as prod."
  }
}

variable "issuer" {
  description = "Issuer of every session, such as https://auth.example.com/auth. All tokens and sign-in links contain it."
  type        = string
  validation {
    condition     = can(regex("^https://[a-z0-9.-]+/[a-z0-9_-]+$", var.issuer))
    error_message = "Write the issuer as https, a host and one path segment, such as https://auth.example.com/auth."
  }
}

variable "certificate_arn" {
  description = "ARN of a certificate of ACM for the host of the issuer, in this region."
  type        = string
}

variable "hosted_zone_id" {
  description = "Id of the Route 53 zone of that host. Empty, if the DNS record is made elsewhere."
  type        = string
  default     = ""
}

variable "audience" {
  description = "Audience of every session."
  type        = string
  default     = "api"
}

variable "origins" {
  description = "Origins whose pages may call the issuer, such as https://app.example.com."
  type        = list(string)
  validation {
    condition     = length(var.origins) > 0 && alltrue([for o in var.origins : can(regex("^https://[^*/,]+$", o))])
    error_message = "Write origins as a browser sends them, such as https://app.example.com."
  }
}

variable "redirects" {
  description = "Addresses that people return to after a sign-in, such as https://app.example.com/."
  type        = list(string)
}

variable "mail_from" {
  description = "Address that sends the mails, such as sign-in@example.com."
  type        = string
}

variable "mail_identity" {
  description = "Identity of Amazon SES that may send from it, such as example.com."
  type        = string
}

variable "dist" {
  description = "Folder with auth.zip and authorizer.zip, which build.sh makes."
  type        = string
}

variable "seal" {
  description = "What seals the signing keys: kms:ARN of a symmetric key, secret:NAME, or empty for the encryption of SSM alone."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(|secret:[A-Z0-9_]+|kms:arn:aws[-a-z]*:kms:[-a-z0-9]+:[0-9]{12}:key/.+)$", var.seal))
    error_message = "Write kms: and the ARN of a key, secret: and the name of a secret, or nothing."
  }
}

variable "secret_names" {
  description = "Names of the values in secrets."
  type        = set(string)
  default     = []
}

variable "secrets" {
  description = "Secrets of the configuration by name, such as GOOGLE_CLIENT_SECRET. No value is kept in a plan or a state."
  type        = map(string)
  default     = {}
  ephemeral   = true
}

variable "secrets_version" {
  description = "A new number writes the secrets again."
  type        = number
  default     = 1
}

variable "log_days" {
  description = "Days that the logs are kept."
  type        = number
  default     = 90
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms go to. Empty, if nobody is called."
  type        = string
  default     = ""
}

variable "waf_limit" {
  description = "Requests of one address in five minutes that WAF lets through, 10 or more. The issuer then has a REST API. 0: an HTTP API, which has no WAF."
  type        = number
  default     = 0
  validation {
    condition     = var.waf_limit == 0 || var.waf_limit >= 10
    error_message = "Write 10 or more, such as 1000, or 0 for no WAF."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table. Set it to false, and apply, before you destroy."
  type        = bool
  default     = true
}
