# One powered-off machine becomes a Debian that answers over the network. `make demo` applies this.
terraform {
  required_providers {
    underlay = { source = "underlay/underlay" }
  }
}

provider "underlay" {} # the server is at UNDERLAY_ENDPOINT

resource "underlay_image" "debian" {
  name   = "debian"
  source = { url = var.image_url, sha256 = var.image_sha256 }
}

resource "underlay_host" "lab" {
  name = "lab-1"
  pool = "lab"
  qemu = { cpus = 1, memory = "1GiB", disks = ["4GiB"], forward = [22] }
}

resource "underlay_machine" "web" {
  name             = "web-0"
  image            = underlay_image.debian.id
  host             = underlay_host.lab.name
  ssh_keys         = [var.ssh_key]
  allow_disruption = "erase_root" # without this line a new image is an error in the plan
}

resource "underlay_ready" "web" {
  machines = [underlay_machine.web.id]
}

output "ssh" {
  value      = underlay_machine.web.forwards["22"]
  depends_on = [underlay_ready.web]
}
