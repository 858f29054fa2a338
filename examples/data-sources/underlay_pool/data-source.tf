data "underlay_pool" "general" {
  name = "general"
}

output "free_hosts" {
  value = "${data.underlay_pool.general.free} of ${data.underlay_pool.general.hosts} hosts are free"
}
