terraform {
  required_version = ">= 1.11"
  required_providers {
    underlay = { source = "underlay/underlay" }
  }
}

# What stands in the rack, and how to log in to its BMCs: `underlay dev` prints these.
variable "rack" { type = string }
variable "bmc_password_file" { type = string }
variable "image_url" { type = string }
variable "image_sha256" { type = string }
variable "app_token" {
  type      = string
  ephemeral = true
  default   = "change-me"
}
variable "web" {
  type    = number
  default = 5
}

provider "underlay" {}

locals {
  rack = jsondecode(file(var.rack))
  # The first places are for databases, the rest for everything else.
  boxes = { for at, box in local.rack.machines : box.name => merge(box, { pool = at < 3 ? "db" : "general" }) }
}

# --- the operator's side: what stands in the rack, and what is so in it
resource "underlay_site" "here" {
  name   = "default"
  values = { "ntp.servers" = ["10.0.0.1", "10.0.0.2"] } # wherever nobody closer to the machine says otherwise
}

resource "underlay_pool" "all" {
  for_each      = { general = "50%", db = "1" }
  name          = each.key
  max_disrupted = each.value
  values        = { "net.mtu" = each.key == "db" ? 9000 : 1500 }
}

resource "underlay_profile" "base" {
  name = "base"
  schema = {
    "ntp.servers" = { type = "list(string)", required = true }
    "net.mtu"     = { type = "number", required = true }
    "app.token"   = { type = "string", required = true, secret = true }
  }
  secret_values_wo      = { "app.token" = var.app_token }
  secret_values_version = 1
  files = {
    "/etc/chrony/chrony.conf" = { template = file("${path.module}/chrony.conf") }
    "/etc/app.env"            = { template = "APP_TOKEN={{shell app.token}}\n", mode = "0600" }
  }
}

resource "underlay_credential" "bmc" {
  name                = "rack-bmc"
  username            = local.rack.bmc_user
  password_wo         = trimspace(file(var.bmc_password_file))
  password_wo_version = 1
}

resource "underlay_host" "box" {
  for_each = local.boxes
  name     = each.key
  pool     = underlay_pool.all[each.value.pool].name
  labels   = { rack = each.value.rack }
  identity = { serial = each.value.serial, boot_mac = each.value.boot_mac }
  redfish = {
    address    = each.value.bmc_address
    credential = underlay_credential.bmc.name
    system     = each.value.system
  }
}

# --- the tenant's side: what runs on it
resource "underlay_image" "os" {
  name   = "os"
  source = { url = var.image_url, sha256 = var.image_sha256 }
}

resource "underlay_machine" "web" {
  count            = var.web
  name             = "web-${count.index}"
  image            = underlay_image.os.id
  require          = { pool = underlay_pool.all["general"].name, cpus = 8, memory = "16GiB" }
  spread           = { label = "rack" }
  profiles         = [underlay_profile.base.name]
  allow_disruption = "erase_root"
  depends_on       = [underlay_host.box] # so that a machine is gone before its host
}

resource "underlay_machine" "db" {
  count      = 2
  name       = "db-${count.index}"
  image      = underlay_image.os.id
  require    = { pool = underlay_pool.all["db"].name }
  spread     = { label = "rack", mode = "prefer" }
  profiles   = [underlay_profile.base.name]
  values     = { "ntp.servers" = ["10.0.0.9"] } # databases keep a time of their own
  depends_on = [underlay_host.box]
}

resource "underlay_machine" "pinned" {
  name  = "monitor"
  image = underlay_image.os.id
  host  = underlay_host.box[local.rack.machines[0].name].name
}

resource "underlay_ready" "all" {
  machines = concat(underlay_machine.web[*].id, underlay_machine.db[*].id, [underlay_machine.pinned.id])
}

output "placed" {
  value = merge(
    { for machine in underlay_machine.web : machine.name => machine.host },
    { for machine in underlay_machine.db : machine.name => machine.host },
  )
}
