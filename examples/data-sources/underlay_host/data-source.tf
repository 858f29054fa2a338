data "underlay_host" "r1u7" {
  serial = "ABC-u7"
}

output "power" {
  value = data.underlay_host.r1u7.power
}

# The system that the agent of an adopted machine lives in.
data "underlay_host" "db" {
  name = "db-1"
}

output "up_since" {
  value = try(data.underlay_host.db.resident.up_since, null)
}
