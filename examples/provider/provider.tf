terraform {
  required_version = ">= 1.11"
  required_providers {
    underlay = { source = "underlay/underlay" }
  }
}

provider "underlay" {
  endpoint = "https://underlay.example:7443"
  ca_file  = "underlay-ca.pem"
  owner    = "team-web"
  # the token comes from UNDERLAY_TOKEN
}
