data "underlay_machine" "web" {
  name = "web-0"
}

output "waiting_for" {
  value = data.underlay_machine.web.waiting_for
}
