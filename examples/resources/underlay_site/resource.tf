resource "underlay_site" "berlin" {
  name   = "berlin" # the site of the provider block
  values = { "ntp.servers" = ["10.30.0.1", "10.30.0.2"], "dns.search" = "berlin.example.net" }
}
