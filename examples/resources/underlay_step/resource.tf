resource "underlay_credential" "inventory" {
  name                = "inventory"
  username            = "underlay"
  password_wo         = var.inventory_password
  password_wo_version = 1
}

# What is done once a machine's system is up: the shop's inventory is told.
resource "underlay_step" "register" {
  name    = "register"
  webhook = { url = "https://inventory.example/api/machines", credential = underlay_credential.inventory.name }
  inputs  = { rack = { type = "string", required = true } }
  values  = { rack = "r1" }
  outputs = { asset_tag = { type = "string", required = true } }
  timeout = "2m"
  retry   = { attempts = 3, backoff = "10s" }
}

resource "underlay_pool" "general" {
  name  = "general"
  steps = { post_deploy = [underlay_step.register.name] }
}
