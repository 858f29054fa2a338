terraform {
  required_providers {
    underlay = { source = "underlay/underlay" }
  }
}

variable "image_url" { type = string }
variable "image_sha256" { type = string }
variable "ssh_key" { type = string }

provider "underlay" {} # UNDERLAY_ENDPOINT says where the server is

resource "underlay_image" "debian" {
  name   = "debian-12"
  source = { url = var.image_url, sha256 = var.image_sha256 }
}

resource "underlay_host" "lab" { # a QEMU machine on the server; a real one has redfish = { ... } instead
  name = "lab-1"
  boot = { mode = "bios" }
  qemu = { cpus = 1, memory = "1GiB", disks = ["4GiB"], forward = [22] }
}

resource "underlay_machine" "web" {
  name             = "web-0"
  image            = underlay_image.debian.id
  host             = underlay_host.lab.name
  ssh_keys         = [var.ssh_key]
  allow_disruption = "erase_root" # without this line another image is an error in the plan
}

resource "underlay_ready" "web" { # what needs the machine stands behind this
  machines = [underlay_machine.web.id]
}

output "ssh" {
  value = { address = underlay_machine.web.forwards["22"], host_keys = underlay_machine.web.ssh_host_keys }
}
