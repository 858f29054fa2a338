resource "underlay_machine" "web" {
  count = 2
  name  = "web-${count.index}"
  image = underlay_image.debian.id
  host  = underlay_host.r1[["u7", "u8"][count.index]].name
  root  = { kind = "nvme", min_size = "400GB" }

  network = {
    bonds     = { bond0 = { nics = ["eno1", "eno2"], mode = "802.3ad", mtu = 9000 } }
    vlans     = { v220 = { link = "bond0", id = 220 } }
    addresses = { v220 = { cidrs = ["10.2.0.${10 + count.index}/24"], gateway = "10.2.0.1" } }
    dns       = { servers = ["10.0.0.53"], search = ["example.net"] }
  }

  ssh_keys  = [file("keys/ops.pub")]
  user_data = file("web.yaml")

  allow_disruption = "erase_root" # without this line a new image is an error in the plan
  redeploy         = { on = ["image"], generation = 1 }
}
