resource "underlay_profile" "base" {
  name = "base"

  schema = {
    "ntp.servers" = { type = "list(string)", required = true }
    "net.mtu"     = { type = "number", description = "of every link" }
    "root.hash"   = { type = "string", secret = true }
  }

  values                = { "ntp.servers" = ["10.0.0.1"], "net.mtu" = 1500 }
  secret_values_wo      = { "root.hash" = var.root_hash }
  secret_values_version = 1

  files = {
    "/etc/chrony/chrony.conf" = {
      template = <<-EOT
        {{#ntp.servers}}
        server {{.}} iburst
        {{/ntp.servers}}
      EOT
    }
    "/etc/motd" = { content = "Deployed by underlay.\n" }
  }
}

resource "underlay_machine" "web" {
  name     = "web"
  image    = underlay_image.debian.id
  host     = underlay_host.r1.name
  profiles = [underlay_profile.base.name]
  values   = { "net.mtu" = 9000 } # it knows better
}
