resource "underlay_pool" "general" {
  name          = "general"
  max_disrupted = "10%" # of its machines, across every apply
  values        = { "net.mtu" = 9000 } # for every machine on its hosts whose profiles declare it
}

resource "underlay_machine" "web" {
  count   = 3
  name    = "web-${count.index}"
  image   = underlay_image.debian.id
  require = { pool = underlay_pool.general.name, cpus = 16, memory = "64GiB", labels = { row = "4" } }
  spread  = { label = "rack" }
}
