variable "bmc_password" {
  type      = string
  ephemeral = true
}

resource "underlay_credential" "bmc" {
  name                = "rack-1-bmc"
  username            = "root"
  password_wo         = var.bmc_password
  password_wo_version = 1
}
