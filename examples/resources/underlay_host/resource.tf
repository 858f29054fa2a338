resource "underlay_host" "r1" {
  for_each = { u7 = "10.0.9.17", u8 = "10.0.9.18" }
  name     = "r1${each.key}"
  pool     = "general"
  labels   = { rack = "r1" }
  identity = { serial = "ABC-${each.key}" }
  redfish  = { address = "https://${each.value}", credential = underlay_credential.bmc.name }
}

# A machine that the server runs itself: a laptop's first host.
resource "underlay_host" "lab" {
  name = "lab-1"
  qemu = { cpus = 1, memory = "1GiB", disks = ["4GiB"], forward = [22] }
}

# A machine that runs a system of its own: adopted by `underlay adopt`, imported, protected, never switched.
resource "underlay_host" "db" {
  name = "db-1"
  none = {}
}
