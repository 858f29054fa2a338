# The apply ends with an error until they are ready; what depends on this is not built before.
resource "underlay_ready" "web" {
  machines = underlay_machine.web[*].id
}
