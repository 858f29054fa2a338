resource "underlay_network" "boot" {
  name    = "boot"
  cidr    = "10.12.0.0/22"
  gateway = "10.12.0.1"
  dhcp    = { mode = "server", range = "10.12.1.0-10.12.3.250", lease = "1h" }
}
