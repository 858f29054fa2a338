data "underlay_host" "r1u7" {
  serial = "ABC-u7"
}

output "power" {
  value = data.underlay_host.r1u7.power
}
