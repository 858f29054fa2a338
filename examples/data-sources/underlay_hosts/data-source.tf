data "underlay_hosts" "free" {
  pool   = "general"
  labels = { rack = "r1" }
}

output "free" {
  value = [for host in data.underlay_hosts.free.hosts : host.name if host.machine == null]
}
